"""DELETE on objects: preconditions, finalizers, collections."""

from aiohttp import web

from apiserver.document import Unreadable, child, decode, encode, items, made_child, text
from apiserver.handlers import admission
from apiserver.handlers.answers import document_answer, object_answer
from apiserver.handlers.call import Call, is_dry_run
from apiserver.handlers.negotiation import Wanted
from apiserver.handlers.reading import selection
from apiserver.objects.preparation import is_held, mark_deleted
from apiserver.protobuf import decode_protobuf
from apiserver.refusal import FieldError, Named, bad_request, conflict, forbidden, invalid, not_found
from apiserver.schema.fields import invalid_value
from apiserver.storage.stored import Stored
from hypersdk.model.base import JsonObject

_ETERNAL_NAMESPACES = {"default", "kube-system", "kube-public"}
_FINALIZERS = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}


_STRING: JsonObject = {"type": "string"}
_SCHEMA: JsonObject = {
    "type": "object",
    "properties": {
        "apiVersion": _STRING,
        "kind": _STRING,
        "dryRun": {"type": "array", "items": _STRING},
        "gracePeriodSeconds": {"type": "integer", "format": "int64"},
        "orphanDependents": {"type": "boolean"},
        "preconditions": {"type": "object", "properties": {"uid": _STRING, "resourceVersion": _STRING}},
        "propagationPolicy": _STRING,
    },
}
"""Of DeleteOptions: what cannot be read is not to be taken for nothing, and everything deleted."""


async def _options(call: Call) -> JsonObject:
    """DeleteOptions from the body, or from the query when there is none."""
    body = await admission.read_body(call)
    options = _read(call, body) if body else _asked(call)
    options["dryRun"] = ["All"] if is_dry_run([str(one) for one in items(options, "dryRun")], "DeleteOptions") else []
    policy = text(options, "propagationPolicy")
    if policy not in {"", "Background", *_FINALIZERS}:
        listed = '"Foreground", "Background", "Orphan", "nil"'
        words = f'Unsupported value: "{policy}": supported values: {listed}'
        error_ = FieldError("FieldValueNotSupported", "propagationPolicy", words)
        raise invalid(Named("meta.k8s.io", "DeleteOptions"), [error_])
    if policy and options.get("orphanDependents") is not None:
        detail = "orphanDependents and deletionPropagation cannot be both set"
        raise invalid(Named("meta.k8s.io", "DeleteOptions"), [invalid_value("propagationPolicy", policy, detail)])
    if options.get("orphanDependents") is True:
        options["propagationPolicy"] = "Orphan"
    return options


def _read(call: Call, body: bytes) -> JsonObject:
    is_binary = call.request.content_type == "application/vnd.kubernetes.protobuf"
    try:
        options = decode_protobuf(body) if is_binary else decode(body).value
    except Unreadable as error:
        raise bad_request(f"couldn't get version/kind; {error}") from error
    if not isinstance(options, dict):
        raise bad_request(f"couldn't get version/kind; json parse error: {admission.not_an_object(options)}")
    if wrong := admission.type_errors(options, _SCHEMA, "DeleteOptions"):
        raise bad_request(wrong[0])
    if text(options, "kind") not in {"", "DeleteOptions"}:
        raise bad_request(
            f'no kind "{text(options, "kind")}" is registered for version "{text(options, "apiVersion")}"'
        )
    return options


def _asked(call: Call) -> JsonObject:
    call.number("gracePeriodSeconds")
    options: JsonObject = {"propagationPolicy": call.option("propagationPolicy")}
    options["dryRun"] = [*call.request.query.getall("dryRun", [])]
    if "orphanDependents" in call.request.query:
        options["orphanDependents"] = call.flag("orphanDependents")
    return options


async def delete(call: Call) -> web.Response:
    """DELETE on one object: gone, or marked when a finalizer holds it."""
    options = await _options(call)
    if call.resource.id == "namespaces" and call.route.name in _ETERNAL_NAMESPACES:
        raise forbidden(call.resource.named(call.route.name), "this namespace may not be deleted")
    await call.api.store.settled(call.key)
    old = call.api.store.get(call.key)
    if old is None:
        raise not_found(call.resource.named(call.route.name))
    state = await _delete(call, old, options)
    if state is None:
        return await document_answer(call, _success(call, old), Wanted())
    return await object_answer(call, state)


def _success(call: Call, old: Stored) -> JsonObject:
    uid = text(child(old.document(), "metadata"), "uid")
    details: JsonObject = call.resource.named(call.route.name).details() | {"uid": uid}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


async def _delete(call: Call, old: Stored, options: JsonObject) -> bytes | None:
    """The state of an object that is still held; None when it is gone."""
    document = old.document()
    _check_preconditions(call, old, document, child(options, "preconditions"))
    dry_run = bool(options["dryRun"])
    policy = _FINALIZERS.get(text(options, "propagationPolicy"))
    meta = made_child(document, "metadata")
    if policy and call.resource.id != "namespaces" and policy not in items(meta, "finalizers"):
        meta["finalizers"] = [*items(meta, "finalizers"), policy]
    if is_held(document):
        if "deletionTimestamp" in meta:
            return old.raw
        mark_deleted(document, call.resource, call.api.now())
        return encode(document) if dry_run else (await call.api.store.put(old.key, document)).raw
    if not dry_run:
        await call.api.store.remove(old.key, document)
    return None


def _check_preconditions(call: Call, old: Stored, document: JsonObject, wanted: JsonObject) -> None:
    uid, version = text(wanted, "uid"), text(wanted, "resourceVersion")
    found = text(child(document, "metadata"), "uid")
    about = call.resource.kind_named(old.key.name)
    if uid and uid != found:
        raise conflict(
            about,
            f"the UID in the precondition ({uid}) does not match the UID in record ({found}). "
            "The object might have been deleted and then recreated",
        )
    if version and version != str(old.version):
        raise conflict(
            about,
            f"the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record "
            f"({old.version}). The object might have been modified",
        )


async def delete_collection(call: Call) -> web.Response:
    """DELETE on a collection; answers with the objects as they were."""
    options = await _options(call)
    chosen = selection(call)
    found = [
        one for one in call.api.store.collection(call.resource.id).current(chosen.namespace) if chosen.matches(one)
    ]
    gone: list[JsonObject] = []
    for one in found:
        await call.api.store.settled(one.key)
        current = call.api.store.get(one.key)
        if current is not None:
            gone.append(current.document())
            await _delete(call, current, options)
    meta: JsonObject = {"resourceVersion": str(call.api.store.version)}
    resource = call.resource
    listed: JsonObject = {"apiVersion": resource.api_version, "kind": resource.list_kind, "metadata": meta}
    return await document_answer(call, listed | {"items": list(gone)}, Wanted())
