"""PATCH on objects: JSON patch, merge patch, strategic merge patch, server-side apply."""

import re
from collections.abc import Iterator
from copy import deepcopy

from aiohttp import web
from pydantic import JsonValue

from apiserver.document import Decoded, Unreadable, child, decode, decode_yaml, encode, text
from apiserver.handlers import admission
from apiserver.handlers.answers import object_answer
from apiserver.handlers.call import Call, WriteOptions, write_options
from apiserver.handlers.writing import (
    check_name,
    check_place,
    check_versioned,
    create_object,
    ownership_schema,
    update_object,
)
from apiserver.ownership.applying import KUBECTL, LAST_APPLIED, applied
from apiserver.ownership.managers import Writer
from apiserver.patches.merge import merge_patch
from apiserver.patches.operations import json_patch
from apiserver.patches.strategic import strategic_merge
from apiserver.refusal import FieldError, Named, Refusal, bad_request, invalid, not_found, unsupported_media
from apiserver.schema.fields import invalid_value, required
from apiserver.schema.validation import go_kind, validate
from hypersdk.model.base import JsonObject

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
_NUMERIC = "numeric (int or float)"
_MERGED_TYPES = {"object": "map", "array": "list", "integer": _NUMERIC, "number": _NUMERIC}


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
    decoded = _decoded(body, content_type)
    await call.api.store.settled(call.key)
    old = call.api.store.get(call.key)
    if old is None:
        raise not_found(call.resource.named(call.route.name))
    new = _patched(call, old.document(), decoded.value, content_type)
    _settle(call, new, decoded.duplicates, options)
    return await object_answer(call, await update_object(call, old, new, options))


def _accepted(call: Call) -> tuple[str, ...]:
    strategic = (STRATEGIC_PATCH,) if call.resource.rules.is_typed else ()
    return (JSON_PATCH, MERGE_PATCH, *strategic, APPLY_PATCH)


def _decoded(body: bytes, content_type: str) -> Decoded:
    try:
        return decode(body)
    except Unreadable as error:
        why = str(error).removeprefix("json parse error: ")
        is_merge = content_type == MERGE_PATCH
        raise bad_request("invalid JSON patch" if is_merge else f"error decoding patch: {why}") from error


def _patched(call: Call, document: JsonObject, content: JsonValue, content_type: str) -> JsonObject:
    if content_type == JSON_PATCH:
        result = json_patch(document, content)
    elif not isinstance(content, dict):
        words = f"json: cannot unmarshal {go_kind(content)} into Go value of type map[string]interface {{}}"
        raise bad_request(f"error decoding patch: {words}")
    elif content_type == MERGE_PATCH:
        result = merge_patch(document, content)
    else:
        result = strategic_merge(document, content, ownership_schema(call.resource))
    if not isinstance(result, dict):
        raise Refusal(422, "Invalid", "the server rejected our request due to an error in our request", {})
    return result


def _settle(call: Call, new: JsonObject, duplicates: list[str], options: WriteOptions) -> None:
    """Read the patched object as if it had been sent; what is wrong with it is wrong with the patch."""
    result = encode(new)
    resource = call.resource
    for name, wanted in (("apiVersion", resource.api_version), ("kind", resource.kind)):
        if not text(new, name):
            raise _refused_patch(result, f"Object '{name.capitalize()}' is missing in '{result.decode()}'")
        if text(new, name) != wanted:
            group = text(new, "apiVersion").rpartition("/")[0]
            about = Named(group, text(new, "kind"), call.route.name)
            raise invalid(about, [invalid_value(name, text(new, name), f"must be {wanted}")])
    try:
        problem = admission.settle_fields(call, new, duplicates, options.validation)
    except Refusal as refusal:
        raise _refused_patch(result, str(refusal).partition(": ")[2]) from refusal
    if problem:
        raise _refused_patch(result, problem)
    check_name(call, new)
    check_place(call, new)
    check_versioned(call, new)


def _refused_patch(result: bytes, problem: str) -> Refusal:
    return invalid(Named("", ""), [invalid_value("patch", result.decode(), problem)])


async def _apply(call: Call, body: bytes, options: WriteOptions) -> web.Response:
    if not call.option("fieldManager"):
        error = required("fieldManager", "is required for apply patch")
        raise invalid(Named("meta.k8s.io", "PatchOptions"), [error])
    config = _configuration(call, body)
    _check_declared(call, config)
    await call.api.store.settled(call.key)
    old = call.api.store.get(call.key)
    if old is None and call.route.subresource:
        raise not_found(call.resource.named(call.route.name))
    live = old.document() if old is not None else {}
    writer = Writer(options.manager, "Apply", call.resource.api_version, call.route.subresource)
    if call.resource.namespaced:
        child(config.obj, "metadata")["namespace"] = call.route.namespace
    new = applied(live, config.obj, ownership_schema(call.resource), writer, options.force, call.api.now())
    if writer.name == KUBECTL and not writer.subresource:
        _keep_last_applied(new, config.obj)
    admission.settle_fields(call, new, [], "Ignore", keeps_nulls=True)
    if old is None:
        return await object_answer(call, await create_object(call, new, options, managed=True), 201)
    return await object_answer(call, await update_object(call, old, new, options, managed=True))


def _keep_last_applied(new: JsonObject, config: JsonObject) -> None:
    """What `kubectl apply` without --server-side goes by stays true, where it was used before."""
    annotations = child(new, "metadata", "annotations")
    if LAST_APPLIED in annotations and LAST_APPLIED not in child(config, "metadata", "annotations"):
        annotations[LAST_APPLIED] = encode(config).decode() + "\n"


def _check_declared(call: Call, config: admission.Sent) -> None:
    """A configuration may only state fields that the schema knows (Kubernetes says the same with code 500)."""
    settled = deepcopy(config.obj)
    problem = admission.settle_fields(call, settled, config.duplicates, "Strict")
    unknown = re.findall(r'unknown field "([^"]*)"', problem)
    errors = [f".{path}: field not declared in schema" for path in unknown]
    errors += [] if call.resource.rules.is_typed else list(_of_other_types(config.obj, call.resource.schema))
    if not errors:
        return
    resource, meta = call.resource, child(config.obj, "metadata")
    kind = f"{resource.group}/{resource.version}, Kind={resource.kind}"
    listed = errors[0] if len(errors) == 1 else "errors:\n" + "\n".join(f"  {error}" for error in errors)
    where = f"{text(meta, 'namespace')}/{text(meta, 'name')}"
    raise Refusal(422, "Invalid", f"failed to create typed patch object ({where}; {kind}): {listed}")


def _of_other_types(config: JsonObject, schema: JsonObject) -> Iterator[str]:
    """What is no value of the type that the schema says, told as the merge of configurations tells it."""
    for error in validate(config, schema):
        found, wanted = error.types
        if found not in {"", "null"} and (found, wanted) != ("number", "integer"):
            yield f".{error.field}: expected {_MERGED_TYPES.get(wanted, wanted)}, got {found}"


def _configuration(call: Call, body: bytes) -> admission.Sent:
    """The applied configuration: of the right kind, under the right name, without what the endpoint ignores."""
    try:
        decoded = decode_yaml(body)
    except Unreadable as error:
        raise bad_request(f"error decoding YAML: {error}") from error
    if not isinstance(decoded.value, dict):
        words = f"json: cannot unmarshal {go_kind(decoded.value)} into Go value of type map[string]interface {{}}"
        raise bad_request(f"error decoding patch: error unmarshaling JSON: while decoding JSON: {words}")
    config = admission.Sent(decoded.value, decoded.duplicates)
    version, kind = text(config.obj, "apiVersion"), text(config.obj, "kind")
    if (version, kind) != (call.resource.api_version, call.resource.kind):
        raise bad_request(f"invalid object type: {version if '/' in version else '/' + version}, Kind={kind}")
    _check_applied_metadata(call, config.obj)
    _keep_part_of_endpoint(call, config.obj)
    return config


def _check_applied_metadata(call: Call, config: JsonObject) -> None:
    meta = config.setdefault("metadata", {})
    if not isinstance(meta, dict):
        raise bad_request("metadata must be an object")
    if meta.get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    if meta.setdefault("name", call.route.name) != call.route.name:
        words = f"the name of the object ({text(meta, 'name')}) does not match the name on the URL ({call.route.name})"
        raise bad_request(words)
    check_place(call, config)


def _keep_part_of_endpoint(call: Call, config: JsonObject) -> None:
    """The status is applied through its own endpoint, and nothing else is."""
    if call.route.subresource == "status":
        for name in [name for name in config if name not in {"apiVersion", "kind", "metadata", "status"}]:
            del config[name]
    elif call.resource.has_status:
        config.pop("status", None)
