"""What has to be true of an object before it is stored, and how is it completed? Shared by every write."""

import asyncio
import re
from dataclasses import dataclass, replace

from pydantic import JsonValue

from apiserver.document import Decoded, Unreadable, child, decode, decode_yaml, text
from apiserver.handlers.call import Call, FieldValidation
from apiserver.objects.metadata import check_metadata, check_metadata_update, finalizer_warnings
from apiserver.protobuf import decode_protobuf, knows
from apiserver.refusal import FieldError, Named, Refusal, bad_request, invalid, unsupported_media
from apiserver.registry.builtin import schema as builtin_schema
from apiserver.registry.resource import ResourceType
from apiserver.schema.defaulting import apply_defaults
from apiserver.schema.fields import invalid_value
from apiserver.schema.pruning import prune
from apiserver.schema.rules import broken_rules
from apiserver.schema.validation import go_kind, validate
from hypersdk.model.base import JsonObject

_GO_TYPES = {"string": "string", "boolean": "bool", "object": "map[string]string", "array": "[]string"}
_GO_KINDS = {"integer": "number", "boolean": "bool"}
_SUMMARY = 30
_BODY_S = 60.0
_BODY_TYPES = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")


@dataclass(frozen=True)
class Sent:
    """An object as a client sent it."""

    obj: JsonObject
    duplicates: list[str]


async def read_body(call: Call) -> bytes:
    """The body; too much of it is 413 (raised by the web server), too slow a one 408."""
    try:
        async with asyncio.timeout(_BODY_S):
            return await call.request.read()
    except TimeoutError as error:
        raise Refusal(408, "Timeout", f"the body of the request did not come within {_BODY_S:.0f} s") from error


async def read_object(call: Call) -> Sent:
    """The object in the body; 400 when there is none of the right kind."""
    content_type = call.request.content_type if call.request.headers.get("Content-Type") else "application/json"
    body = await read_body(call)
    match content_type:
        case "application/json":
            read = decode
        case "application/yaml" | "application/x-yaml" | "text/yaml":
            read = decode_yaml
        case "application/vnd.kubernetes.protobuf" if knows(call.resource.kind):
            read = _from_protobuf
        case _:
            raise unsupported_media(_BODY_TYPES)
    try:
        decoded = read(body)
    except Unreadable as error:
        raise _unrecognized(call.resource, f"couldn't get version/kind; {error}", body) from error
    return sent(call.resource, decoded, body)


def _from_protobuf(body: bytes) -> Decoded:
    return Decoded(decode_protobuf(body))


def _unrecognized(resource: ResourceType, why: str, body: bytes) -> Refusal:
    shown = body[:_SUMMARY].decode(errors="replace") if body.startswith(b"{") else body[:_SUMMARY].hex()
    more = " ..." if len(body) > _SUMMARY else ""
    summary = f"{shown}{more}" or "<empty>"
    return bad_request(f"the object provided is unrecognized (must be of type {resource.kind}): {why} ({summary})")


def not_an_object(value: JsonValue) -> str:
    """What Go's decoder says of a body that is something else."""
    into = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
    return f"json: cannot unmarshal {go_kind(value)} into Go value of type {into}"


def sent(resource: ResourceType, decoded: Decoded, body: bytes = b"") -> Sent:
    """The decoded body, if it is an object of the resource's kind."""
    obj = decoded.value
    if obj is not None and not isinstance(obj, dict):
        words = not_an_object(obj)
        raise _unrecognized(resource, f"couldn't get version/kind; json parse error: {words}", body)
    obj = obj or {}
    for name in ("apiVersion", "kind"):
        if not isinstance(obj.get(name, ""), str):
            words = f"json: cannot unmarshal {go_kind(obj[name])} into Go struct field .{name} of type string"
            raise _unrecognized(resource, f"couldn't get version/kind; json parse error: {words}", body)
    if resource.rules.is_typed:
        obj["apiVersion"] = text(obj, "apiVersion") or resource.api_version
        obj["kind"] = text(obj, "kind") or resource.kind
    if not text(obj, "kind"):
        raise _unrecognized(resource, f"Object 'Kind' is missing in '{body.decode(errors='replace')}'", body)
    version = text(obj, "apiVersion")
    if version != resource.api_version:
        raise bad_request(
            f"the API version in the data ({version}) does not match the expected API version ({resource.api_version})"
        )
    if text(obj, "kind") != resource.kind:
        raise _wrong_kind(resource, obj)
    return Sent(obj, decoded.duplicates)


def _wrong_kind(resource: ResourceType, obj: JsonObject) -> Refusal:
    kind = text(obj, "kind")
    if resource.rules.is_typed:
        return bad_request(f'{kind} in version "{resource.version}" cannot be handled as a {resource.kind}')
    about = Named(resource.group, kind, text(child(obj, "metadata"), "name"))
    return invalid(about, [invalid_value("kind", kind, f"must be {resource.kind}")])


def settle_fields(
    call: Call, obj: JsonObject, duplicates: list[str], mode: FieldValidation, *, keeps_nulls: bool = False
) -> str:
    """Check types that cannot be repaired, prune, fill in defaults; what strict validation would say against it."""
    resource = call.resource
    _check_types(resource, obj)
    meta = obj.get("metadata")
    unknown = [f"metadata.{path}" for path in prune_metadata(meta)] if isinstance(meta, dict) else []
    unknown += prune(obj, resource.schema)
    apply_defaults(obj, resource.schema, keeps_nulls=keeps_nulls)
    problems = [f'duplicate field "{path}"' for path in duplicates]
    problems += [f'unknown field "{path}"' for path in unknown]
    if mode == "Warn":
        call.warnings.extend(problems)
    return f"strict decoding error: {', '.join(problems)}" if problems and mode == "Strict" else ""


def prune_metadata(meta: JsonObject) -> list[str]:
    """Drop what ObjectMeta does not have; nulls are as good as missing."""
    for name in [name for name, value in meta.items() if value is None]:
        del meta[name]
    for name in ("labels", "annotations"):
        for key, value in child(meta, name).items():
            if value is None:
                child(meta, name)[key] = ""
    wrapped: JsonObject = {"spec": meta}
    unknown = prune(wrapped, {"properties": {"spec": builtin_schema("objectmeta")}})
    return [path.removeprefix("spec.") for path in unknown]


def refuse_strictly(resource: ResourceType, problem: str) -> None:
    """400 when strict validation found something in an object that was sent whole."""
    if problem:
        raise _cannot_be_handled(resource, problem)


def _cannot_be_handled(resource: ResourceType, why: str) -> Refusal:
    return bad_request(f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {why}')


def _check_types(resource: ResourceType, obj: JsonObject) -> None:
    """What Go could not read into its structs: metadata of every kind, everything of built-in ones."""
    meta = obj.get("metadata")
    if meta is not None and not isinstance(meta, dict):
        words = f"json: cannot unmarshal {go_kind(meta)} into Go value of type v1.ObjectMeta"
        raise _cannot_be_handled(resource, words)
    typed = resource.rules.is_typed
    errors = type_errors(meta, builtin_schema("objectmeta"), "ObjectMeta.metadata" if typed else "ObjectMeta")
    if typed:
        errors += type_errors(obj, resource.schema, resource.kind)
    if errors:
        raise _cannot_be_handled(resource, errors[0])


def type_errors(value: JsonValue, schema: JsonObject, struct: str) -> list[str]:
    """What Go's decoder would say of values that have another type than the schema's."""
    if not isinstance(value, dict):
        return []
    present: JsonObject = {name: member for name, member in sorted(value.items()) if member is not None}
    wrong = [error for error in validate(present, schema) if error.reason == "FieldValueTypeInvalid"]
    return [_go_words(error, schema, struct) for error in wrong if '"null"' not in error.message]


def _go_words(error: FieldError, schema: JsonObject, struct: str) -> str:
    found = error.types[0] or error.message.split('"')[1]
    if "should match" in error.message:
        layout = "2006-01-02T15:04:05.000000Z07:00"
        return f'parsing time "{found}" as "{layout}": cannot parse "{found[19:] or found}" as ".000000"'
    if "must be of type date-time" in error.message:
        layout = "2006-01-02T15:04:05Z07:00"
        return f'parsing time "{found}" as "{layout}": cannot parse "{found}" as "2006"'
    if "must be of type byte" in error.message:
        return "illegal base64 data at input byte 0"
    path, form = _go_path(schema, error.field)
    wanted = error.types[1]
    go_type = "types.UID" if path == "uid" else form if form.startswith("int") else _GO_TYPES.get(wanted, wanted)
    return (
        f"json: cannot unmarshal {_GO_KINDS.get(found, found)} into Go struct field {struct}.{path} of type {go_type}"
    )


def _go_path(schema: JsonObject, path: str) -> tuple[str, str]:
    """The path as far as it leads through structs, and the format of the value at its end."""
    names: list[str] = []
    for name in re.sub(r"\[\d+\]", "", path).split("."):
        if name not in child(schema, "properties"):
            break
        names.append(name)
        schema = child(schema, "properties", name)
    return ".".join(names), text(schema, "format")


def check_new(call: Call, obj: JsonObject) -> None:
    """422 with everything that is wrong with a new object."""
    rules = call.resource.rules
    errors = [
        *check_metadata(obj, rules.name_problems),
        *_schema_errors(call, obj, None),
        *rules.check(obj, None),
    ]
    _refuse(call, obj, errors)
    if not rules.is_typed:
        call.warnings.extend(finalizer_warnings(obj, None))


def check_update(call: Call, obj: JsonObject, old: JsonObject) -> None:
    """422 with everything that is wrong with an update."""
    errors = [
        *check_metadata_update(obj, old),
        *_schema_errors(call, obj, old),
        *call.resource.rules.check(obj, old),
    ]
    _refuse(call, obj, errors)
    if not call.resource.rules.is_typed:
        call.warnings.extend(finalizer_warnings(obj, old))


def _schema_errors(call: Call, obj: JsonObject, old: JsonObject | None) -> list[FieldError]:
    resource = call.resource
    if resource.rules.is_typed:
        return []
    if call.route.subresource == "status" and old is not None:
        found = _status_errors(obj, resource.schema, old)
    else:
        found = validate(obj, resource.schema, old=[] if old is None else [old])
    return found + (broken_rules(obj, resource.schema, old, found) if resource.has_rules else [])


def _status_errors(obj: JsonObject, schema: JsonObject, old: JsonObject) -> list[FieldError]:
    """What is wrong with a status that is written alone; as in Kubernetes, the words then name fields inside of it."""
    part = child(schema, "properties", "status")
    if "status" not in obj or not part:
        return []
    past = [old["status"]] if "status" in old else []
    found = validate(obj["status"], part, old=past)
    return [replace(error, field=_of_status(error.field)) for error in found]


def _of_status(field: str) -> str:
    return "status" if field in {"", "<nil>"} else f"status.{field}"


def _refuse(call: Call, obj: JsonObject, errors: list[FieldError]) -> None:
    if errors:
        raise invalid(call.resource.kind_named(text(child(obj, "metadata"), "name")), errors)
