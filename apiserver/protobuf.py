"""How does kubectl's binary form of a built-in object become JSON?

kubectl's typed commands (`create namespace`, `auth can-i`, ...) send application/vnd.kubernetes.protobuf: an envelope
(magic bytes, then runtime.Unknown) around a message whose fields have numbers instead of names. The tables here are
those of the kinds that such commands send; answers are always JSON, which every client takes.
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import JsonValue

from apiserver.document import Unreadable
from hypersdk.model.base import JsonObject

_MAGIC = b"k8s\0"
_MAX_DEPTH = 16


@dataclass(frozen=True)
class _Field:
    name: str
    type: str = "string"
    """A scalar, `map`, `bytemap`, `time`, `microtime`, or the name of a message."""
    repeated: bool = False


def _texts(*names: str, first: int = 1) -> dict[int, _Field]:
    return {number: _Field(name) for number, name in enumerate(names, first)}


_METADATA = {1: _Field("metadata", "ObjectMeta")}


def _object(**fields: _Field) -> dict[int, _Field]:
    """Metadata first, then the fields in order."""
    return _METADATA | dict(enumerate(fields.values(), 2))


_MESSAGES: Mapping[str, Mapping[int, _Field]] = {
    "Unknown": {1: _Field("typeMeta", "TypeMeta"), 2: _Field("raw", "bytes"), 3: _Field("contentEncoding")},
    "TypeMeta": _texts("apiVersion", "kind"),
    "ObjectMeta": {
        **_texts("name", "generateName", "namespace", "selfLink", "uid", "resourceVersion"),
        7: _Field("generation", "int"),
        8: _Field("creationTimestamp", "time"),
        9: _Field("deletionTimestamp", "time"),
        10: _Field("deletionGracePeriodSeconds", "int"),
        11: _Field("labels", "map"),
        12: _Field("annotations", "map"),
        13: _Field("ownerReferences", "OwnerReference", repeated=True),
        14: _Field("finalizers", repeated=True),
    },
    "OwnerReference": {
        1: _Field("kind"),
        **_texts("name", "uid", "apiVersion", first=3),
        6: _Field("controller", "bool"),
        7: _Field("blockOwnerDeletion", "bool"),
    },
    "Namespace": _object(spec=_Field("spec", "NamespaceSpec")),
    "NamespaceSpec": {1: _Field("finalizers", repeated=True)},
    "ConfigMap": _object(
        data=_Field("data", "map"), binary=_Field("binaryData", "bytemap"), immutable=_Field("immutable", "bool")
    ),
    "Secret": _object(
        data=_Field("data", "bytemap"),
        type=_Field("type"),
        plain=_Field("stringData", "map"),
        immutable=_Field("immutable", "bool"),
    ),
    "Lease": _object(spec=_Field("spec", "LeaseSpec")),
    "LeaseSpec": {
        1: _Field("holderIdentity"),
        2: _Field("leaseDurationSeconds", "int"),
        3: _Field("acquireTime", "microtime"),
        4: _Field("renewTime", "microtime"),
        5: _Field("leaseTransitions", "int"),
        **_texts("strategy", "preferredHolder", first=6),
    },
    "Event": _object(
        about=_Field("involvedObject", "ObjectReference"),
        reason=_Field("reason"),
        message=_Field("message"),
        source=_Field("source", "EventSource"),
        first=_Field("firstTimestamp", "time"),
        last=_Field("lastTimestamp", "time"),
        count=_Field("count", "int"),
        type=_Field("type"),
        at=_Field("eventTime", "microtime"),
        series=_Field("series", "EventSeries"),
        action=_Field("action"),
        related=_Field("related", "ObjectReference"),
        component=_Field("reportingComponent"),
        instance=_Field("reportingInstance"),
    ),
    "ObjectReference": _texts("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"),
    "EventSource": _texts("component", "host"),
    "EventSeries": {1: _Field("count", "int"), 2: _Field("lastObservedTime", "microtime")},
    "SelfSubjectAccessReview": _object(spec=_Field("spec", "AccessReviewSpec")),
    "SubjectAccessReview": _object(spec=_Field("spec", "AccessReviewSpec")),
    "LocalSubjectAccessReview": _object(spec=_Field("spec", "AccessReviewSpec")),
    "AccessReviewSpec": {
        1: _Field("resourceAttributes", "ResourceAttributes"),
        2: _Field("nonResourceAttributes", "NonResourceAttributes"),
        3: _Field("user"),
        4: _Field("groups", repeated=True),
        6: _Field("uid"),
    },
    "ResourceAttributes": _texts("namespace", "verb", "group", "version", "resource", "subresource", "name"),
    "NonResourceAttributes": _texts("path", "verb"),
    "SelfSubjectRulesReview": _object(spec=_Field("spec", "RulesReviewSpec")),
    "RulesReviewSpec": _texts("namespace"),
    "SelfSubjectReview": _object(),
    "DeleteOptions": {
        1: _Field("gracePeriodSeconds", "int"),
        2: _Field("preconditions", "Preconditions"),
        3: _Field("orphanDependents", "bool"),
        4: _Field("propagationPolicy"),
        5: _Field("dryRun", repeated=True),
    },
    "Preconditions": _texts("uid", "resourceVersion"),
}


def knows(kind: str) -> bool:
    """Whether objects of that kind can be read."""
    return kind in _MESSAGES


def decode_protobuf(body: bytes) -> JsonObject:
    """The object in an envelope; Unreadable when it is broken, or of a kind that no table is for."""
    if not body.startswith(_MAGIC):
        raise Unreadable("the protobuf body has no k8s prefix")
    envelope = _message(body[len(_MAGIC) :], "Unknown", 0)
    meta = envelope.get("typeMeta")
    raw = envelope.get("raw", "")
    if not isinstance(meta, dict) or not isinstance(raw, str):
        raise Unreadable("the protobuf body names no kind")
    kind = str(meta.get("kind", ""))
    if not knows(kind):
        raise Unreadable(f"{kind} is not understood as protobuf; send JSON")
    return meta | _message(base64.b64decode(raw), kind, 0)


def _message(data: bytes, name: str, depth: int) -> JsonObject:
    if depth > _MAX_DEPTH:
        raise Unreadable("the protobuf body is nested too deeply")
    fields = _MESSAGES[name]
    read: JsonObject = {}
    for number, value in _wire(data):
        field = fields.get(number)
        if field is not None:
            _put(read, field, value, depth)
    return read


def _put(read: JsonObject, field: _Field, value: int | bytes, depth: int) -> None:
    """Add one field; what is empty is as good as missing, as in JSON."""
    if field.type in {"map", "bytemap"}:
        entry = dict(_wire(_bytes(value)))
        held = read.setdefault(field.name, {})
        assert isinstance(held, dict)
        content = _bytes(entry.get(2, b""))
        held[_text(entry.get(1, b""))] = _text(content) if field.type == "map" else base64.b64encode(content).decode()
        return
    made = _value(field, value, depth)
    if field.repeated:
        members = read.setdefault(field.name, [])
        assert isinstance(members, list)
        members.append(made)
    elif made not in ("", 0, False, None) and made != {}:
        read[field.name] = made


def _value(field: _Field, value: int | bytes, depth: int) -> JsonValue:
    match field.type:
        case "int":
            number = _number(value)
            return number - 2**64 if number >= 2**63 else number
        case "bool":
            return bool(_number(value))
        case "string":
            return _text(value)
        case "bytes":
            return base64.b64encode(_bytes(value)).decode()
        case "time" | "microtime":
            return _time(_bytes(value), micro=field.type == "microtime")
    return _message(_bytes(value), field.type, depth + 1)


def _time(data: bytes, *, micro: bool) -> str | None:
    parts = dict(_wire(data))
    seconds, nanos = parts.get(1), parts.get(2, 0)
    if not isinstance(seconds, int) or not isinstance(nanos, int) or seconds >= 2**62:
        return None
    try:
        moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=nanos // 1000)
    except (ValueError, OverflowError, OSError) as error:
        raise Unreadable("a time in the protobuf body is out of range") from error
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")


def _number(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise Unreadable("a field of the protobuf body has the wrong wire type")
    return value


def _bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise Unreadable("a field of the protobuf body has the wrong wire type")
    return value


def _text(value: int | bytes) -> str:
    try:
        return _bytes(value).decode()
    except UnicodeDecodeError as error:
        raise Unreadable("a string in the protobuf body is not UTF-8") from error


def _wire(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers with their raw values."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        match tag & 7:
            case 0:
                number, position = _varint(data, position)
                yield tag >> 3, number
            case 2:
                size, position = _varint(data, position)
                end = position + size
                if end > len(data):
                    raise Unreadable("the protobuf body is cut off")
                yield tag >> 3, data[position:end]
                position = end
            case 1 | 5 as wire:
                position += 8 if wire == 1 else 4
            case _:
                raise Unreadable("the protobuf body is broken")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (2**64 - 1), position
    raise Unreadable("the protobuf body is cut off")
