"""What do built-in kinds fill in and refuse beyond their schemas?"""

import base64
import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from apiserver.document import child, items, made_child, text, texts
from apiserver.refusal import FieldError
from apiserver.schema import fields
from hypersdk.model.base import JsonObject

NAME_LABEL = "kubernetes.io/metadata.name"
_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_MAX_DATA = 2**20


def complete_namespace(new: JsonObject, old: JsonObject | None, _now: datetime) -> None:
    """Finalizer, phase and the label that carries the name."""
    metadata = made_child(new, "metadata")
    if metadata.get("name"):
        made_child(metadata, "labels")[NAME_LABEL] = text(metadata, "name")
    if old is None:
        made_child(new, "spec")["finalizers"] = ["kubernetes"]
        made_child(new, "status")["phase"] = "Active"
    else:
        made_child(new, "spec")["finalizers"] = items(child(old, "spec"), "finalizers")


def unowned(obj: JsonObject) -> JsonObject:
    """The structs that built-in objects always have, empty."""
    return {name: {} for name in ("spec", "status") if isinstance(obj.get(name), dict)}


def check_namespace(new: JsonObject, _old: JsonObject | None) -> Sequence[FieldError]:
    """The phase follows the deletion."""
    phase = text(child(new, "status"), "phase")
    is_deleted = bool(child(new, "metadata").get("deletionTimestamp"))
    wanted, empty = ("Terminating", "not empty") if is_deleted else ("Active", "empty")
    if phase == wanted:
        return []
    return [fields.invalid_value("status.Phase", phase, f"may only be '{wanted}' if `deletionTimestamp` is {empty}")]


def unowned_namespace(obj: JsonObject) -> JsonObject:
    """Phase and finalizer of a new namespace are nobody's."""
    return {"spec": obj.get("spec"), "status": obj.get("status")}


def complete_data(new: JsonObject, _old: JsonObject | None, _now: datetime) -> None:
    """No data is as good as empty data."""
    for part in ("data", "binaryData", "stringData"):
        if not new.get(part):
            new.pop(part, None)


def complete_secret(new: JsonObject, old: JsonObject | None, now: datetime) -> None:
    """The type, and plain text values encoded."""
    complete_data(new, old, now)
    if not new.get("type"):
        new["type"] = "Opaque"
    plain = texts(new, "stringData")
    if new.pop("stringData", None) and plain:
        made_child(new, "data").update({key: base64.b64encode(v.encode()).decode() for key, v in plain.items()})


def check_data(new: JsonObject, old: JsonObject | None) -> Sequence[FieldError]:
    """What is wrong with a Secret or ConfigMap."""
    return [*_keys(new), *_size(new), *_immutable(new, old)]


def _keys(new: JsonObject) -> Iterator[FieldError]:
    words = (
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',"
        f"  or 'key-name', regex used for validation is '{_DATA_KEY.pattern}')"
    )
    for part in ("data", "binaryData"):
        for key in child(new, part):
            if not _DATA_KEY.fullmatch(key):
                yield fields.invalid_value(f"{part}[{key}]", key, words)


def _size(new: JsonObject) -> Iterator[FieldError]:
    size = sum(len(value) for part in ("data", "binaryData") for value in texts(new, part).values())
    if size > _MAX_DATA * 4 // 3:
        yield FieldError("FieldValueTooLong", "data", f"Too long: may not be more than {_MAX_DATA} bytes")


def _immutable(new: JsonObject, old: JsonObject | None) -> Iterator[FieldError]:
    if old is None:
        return
    if "type" in old and new.get("type") != old.get("type"):
        yield fields.invalid_value("type", new.get("type"), "field is immutable")
    if old.get("immutable") is not True:
        return
    for part in ("immutable", "data", "binaryData"):
        if new.get(part) != old.get(part):
            yield fields.forbidden_field(part, "field is immutable when `immutable` is set")


def complete_event(new: JsonObject, _old: JsonObject | None, _now: datetime) -> None:
    """Fields that an Event always shows."""
    for name in ("firstTimestamp", "lastTimestamp", "eventTime"):
        new.setdefault(name, None)
    for name in ("reportingComponent", "reportingInstance"):
        new.setdefault(name, "")
    made_child(new, "source")
    made_child(new, "involvedObject")


def unowned_event(_obj: JsonObject) -> JsonObject:
    """What an Event always shows."""
    empty: JsonObject = {"source": {}, "involvedObject": {}, "reportingComponent": "", "reportingInstance": ""}
    return empty | {"firstTimestamp": None, "lastTimestamp": None, "eventTime": None}


def check_event(new: JsonObject, _old: JsonObject | None) -> Sequence[FieldError]:
    """An event lives beside what it is about; about cluster-scoped objects, in `default`."""
    about = child(new, "involvedObject").get("namespace")
    place = text(child(new, "metadata"), "namespace")
    if (about or "default") != place and not (not about and place == "kube-system"):
        return [fields.invalid_value("involvedObject.namespace", about or "", "does not match event.namespace")]
    return []


def event_fields(obj: JsonObject) -> dict[str, str]:
    """Field selectors of events that are not simply at their path."""
    return {"source": text(child(obj, "source"), "component") or text(obj, "reportingComponent")}


def check_lease(new: JsonObject, _old: JsonObject | None) -> Sequence[FieldError]:
    """A lease lasts, and its transitions are counted up from zero."""
    spec = child(new, "spec")
    errors: list[FieldError] = []
    duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if isinstance(duration, int) and duration <= 0:
        errors.append(fields.invalid_value("spec.leaseDurationSeconds", duration, "must be greater than 0"))
    if isinstance(transitions, int) and transitions < 0:
        detail = "must be greater than or equal to 0"
        errors.append(fields.invalid_value("spec.leaseTransitions", transitions, detail))
    return errors
