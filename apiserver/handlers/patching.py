"""PATCH on objects: JSON patch, merge patch, strategic merge patch, server-side apply."""

from copy import deepcopy

from aiohttp import web
from pydantic import JsonValue

from apiserver.document import Decoded, Unreadable, child, decode, decode_yaml, encode, text
from apiserver.handlers import admission
from apiserver.handlers.answers import object_answer
from apiserver.handlers.call import Call, WriteOptions, write_options
from apiserver.handlers.writing import create_object, ownership_schema, update_object
from apiserver.ownership.applying import applied
from apiserver.ownership.managers import Writer
from apiserver.patches.merge import merge_patch
from apiserver.patches.operations import json_patch
from apiserver.patches.strategic import strategic_merge
from apiserver.refusal import FieldError, Named, Refusal, bad_request, invalid, not_found, unsupported_media
from apiserver.schema.fields import required, shown
from hypersdk.model.base import JsonObject

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


async def patch(call: Call) -> web.Response:
    """Read the patch, apply it to the newest state, store that."""
    options = write_options(call, "PatchOptions")
    content_type = call.request.content_type
    if content_type not in _accepted(call):
        raise unsupported_media(_accepted(call))
    body = await admission.read_body(call)
    if content_type == APPLY_PATCH:
        return await _apply(call, body, options)
    if options.force:
        detail = FieldError("FieldValueForbidden", "force", "Forbidden: may not be specified for non-apply patch")
        raise invalid(Named("meta.k8s.io", "PatchOptions"), [detail])
    decoded = _decoded(body)
    await call.api.store.settled(call.key)
    old = call.api.store.get(call.key)
    if old is None:
        raise not_found(call.resource.named(call.route.name))
    new = _patched(call, old.document(), decoded.value, content_type)
    _check_identity(call, new)
    problem = admission.settle_fields(call, new, decoded.duplicates, options.validation)
    if problem:
        raise _refused_patch(body, problem)
    return await object_answer(call, await update_object(call, old, new, options))


def _accepted(call: Call) -> tuple[str, ...]:
    strategic = (STRATEGIC_PATCH,) if call.resource.rules.is_typed else ()
    return (JSON_PATCH, MERGE_PATCH, *strategic, APPLY_PATCH)


def _decoded(body: bytes) -> Decoded:
    try:
        return decode(body)
    except Unreadable as error:
        raise bad_request(f"error decoding patch: {error}") from error


def _patched(call: Call, document: JsonObject, content: JsonValue, content_type: str) -> JsonObject:
    if content_type == JSON_PATCH:
        result = json_patch(document, content)
    elif not isinstance(content, dict):
        noun = "array" if isinstance(content, list) else "value"
        words = f"json: cannot unmarshal {noun} into Go value of type map[string]interface {{}}"
        raise bad_request(f"error decoding patch: {words}")
    elif content_type == MERGE_PATCH:
        result = merge_patch(document, content)
    else:
        result = strategic_merge(document, content, ownership_schema(call.resource))
    if not isinstance(result, dict):
        raise Refusal(422, "Invalid", "the server rejected our request due to an error in our request", {})
    return result


def _check_identity(call: Call, new: JsonObject) -> None:
    """A patch may change neither what an object is nor its name."""
    resource = call.resource
    if text(new, "apiVersion") != resource.api_version:
        given = text(new, "apiVersion")
        message = (
            f"the API version in the data ({given}) does not match the expected API version ({resource.api_version})"
        )
        raise bad_request(message)
    if text(new, "kind") != resource.kind:
        admission.sent(resource, Decoded(new))
    name = text(child(new, "metadata"), "name")
    if name != call.route.name:
        raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({call.route.name})")
    namespace = text(child(new, "metadata"), "namespace")
    if resource.namespaced and namespace != call.route.namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


def _refused_patch(body: bytes, problem: str) -> Refusal:
    words = f"Invalid value: {shown(body.decode(errors='replace'))}: {problem}"
    return invalid(Named("", ""), [FieldError("FieldValueInvalid", "patch", words)])


async def _apply(call: Call, body: bytes, options: WriteOptions) -> web.Response:
    if not call.option("fieldManager"):
        error = required("fieldManager", "is required for apply patch")
        raise invalid(Named("meta.k8s.io", "PatchOptions"), [error])
    config = _configuration(call, body)
    problem = admission.settle_fields(call, deepcopy(config.obj), config.duplicates, options.validation)
    if problem:
        raise bad_request(_strict_apply(call, problem))
    await call.api.store.settled(call.key)
    old = call.api.store.get(call.key)
    if old is None and call.route.subresource:
        raise not_found(call.resource.named(call.route.name))
    live = old.document() if old is not None else {}
    writer = Writer(options.manager, "Apply", call.resource.api_version, call.route.subresource)
    new = applied(live, config.obj, ownership_schema(call.resource), writer, options.force, call.api.now())
    if writer.name == "kubectl" and not writer.subresource:
        _keep_last_applied(new, config.obj)
    admission.settle_fields(call, new, [], "Ignore")
    if old is None:
        return await object_answer(call, await create_object(call, new, options, managed=True), 201)
    return await object_answer(call, await update_object(call, old, new, options, managed=True))


def _keep_last_applied(new: JsonObject, config: JsonObject) -> None:
    """What `kubectl apply` without --server-side goes by stays true, where it was used before."""
    annotations = child(new, "metadata", "annotations")
    if LAST_APPLIED in annotations and LAST_APPLIED not in child(config, "metadata", "annotations"):
        annotations[LAST_APPLIED] = encode(config).decode() + "\n"


def _strict_apply(call: Call, problem: str) -> str:
    resource = call.resource
    return f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {problem}'


def _configuration(call: Call, body: bytes) -> admission.Sent:
    """The applied configuration: of the right kind, under the right name, without what the endpoint ignores."""
    try:
        decoded = decode_yaml(body)
    except Unreadable as error:
        raise bad_request(f"error decoding YAML: {error}") from error
    config = admission.sent(call.resource, decoded)
    meta = config.obj.setdefault("metadata", {})
    if not isinstance(meta, dict):
        raise bad_request("metadata must be an object")
    if meta.get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    if meta.setdefault("name", call.route.name) != call.route.name:
        words = f"the name of the object ({text(meta, 'name')}) does not match the name on the URL ({call.route.name})"
        raise bad_request(words)
    if call.resource.namespaced:
        place = meta.setdefault("namespace", call.route.namespace)
        if place != call.route.namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if call.route.subresource == "status":
        kept = {"apiVersion", "kind", "metadata", "status"}
        for name in [name for name in config.obj if name not in kept]:
            del config.obj[name]
    elif call.resource.has_status:
        config.obj.pop("status", None)
    return config
