"""What is wrong with an object's metadata? The checks that every kind shares."""

from collections.abc import Callable, Iterator, Sequence

from pydantic import JsonValue

from apiserver.document import child, items, objects, text, texts
from apiserver.objects import names
from apiserver.refusal import FieldError
from apiserver.schema import fields
from hypersdk.model.base import JsonObject

_MAX_ANNOTATIONS = 256 * 2**10


def check_metadata(obj: JsonObject, name_problems: Callable[[str], list[str]]) -> list[FieldError]:
    """Every problem of a new object's metadata."""
    meta = child(obj, "metadata")
    return [*_names(meta, name_problems), *_labels(meta), *_annotations(meta), *_owners(meta), *_finalizers(meta)]


def check_metadata_update(obj: JsonObject, old: JsonObject) -> list[FieldError]:
    """Every problem of an update: what may not change, and the rest as for a new object."""
    meta, before = child(obj, "metadata"), child(old, "metadata")
    errors = [
        fields.invalid_value(f"metadata.{name}", meta.get(name), "field is immutable")
        for name in ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")
        if meta.get(name) != before.get(name)
    ]
    added = [one for one in items(meta, "finalizers") if one not in items(before, "finalizers")]
    if before.get("deletionTimestamp") and added:
        listed = ", ".join(fields.shown(one) for one in added)
        detail = (
            f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{listed}}}"
        )
        errors.append(fields.forbidden_field("metadata.finalizers", detail))
    return [*errors, *_labels(meta), *_annotations(meta), *_owners(meta), *_finalizers(meta)]


def _names(meta: JsonObject, problems: Callable[[str], list[str]]) -> Iterator[FieldError]:
    stem = text(meta, "generateName")
    if stem:
        probe = f"{stem[:-1]}a" if stem.endswith("-") else stem
        yield from (fields.invalid_value("metadata.generateName", stem, problem) for problem in problems(probe))
    name = text(meta, "name")
    if not name:
        yield fields.required("metadata.name", "name or generateName is required")
    else:
        yield from (fields.invalid_value("metadata.name", name, problem) for problem in problems(name))


def _labels(meta: JsonObject) -> Iterator[FieldError]:
    for key, value in texts(meta, "labels").items():
        for problem in names.qualified_problems(key):
            yield fields.invalid_value("metadata.labels", key, problem)
        for problem in names.label_value_problems(value):
            yield fields.invalid_value("metadata.labels", value, problem)


def _annotations(meta: JsonObject) -> Iterator[FieldError]:
    annotations = texts(meta, "annotations")
    for key in annotations:
        for problem in names.qualified_problems(key.lower()):
            yield fields.invalid_value("metadata.annotations", key, problem)
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > _MAX_ANNOTATIONS:
        yield fields.too_long("metadata.annotations", _MAX_ANNOTATIONS)


def _owners(meta: JsonObject) -> Iterator[FieldError]:
    owners = objects(items(meta, "ownerReferences"))
    for index, owner in enumerate(owners):
        path = f"metadata.ownerReferences[{index}]"
        for part in ("apiVersion", "kind", "name", "uid"):
            if not text(owner, part):
                yield fields.required(f"{path}.{part}", "must not be empty")
    controllers = [text(owner, "name") for owner in owners if owner.get("controller") is True]
    if len(controllers) > 1:
        detail = (
            'Only one reference can have Controller set to true. Found "true" in references for '
            f"{controllers[0]} and {controllers[1]}"
        )
        shown: list[JsonValue] = [dict(owner) for owner in owners]
        yield fields.invalid_value("metadata.ownerReferences", shown, detail)


def _finalizers(meta: JsonObject) -> Iterator[FieldError]:
    for finalizer in items(meta, "finalizers"):
        if isinstance(finalizer, str):
            for problem in names.qualified_problems(finalizer):
                yield fields.invalid_value("metadata.finalizers", finalizer, problem)


_STANDARD_FINALIZERS = {"orphan", "foregroundDeletion", "kubernetes"}


def finalizer_warnings(obj: JsonObject, old: JsonObject | None) -> Sequence[str]:
    """A finalizer without a domain works, but collides."""
    before = items(child(old or {}, "metadata"), "finalizers")
    return [
        f'metadata.finalizers: "{one}": prefer a domain-qualified finalizer name'
        f"{' including a path (/)' if '.' in one else ''} to avoid accidental conflicts with other finalizer writers"
        for one in items(child(obj, "metadata"), "finalizers")
        if isinstance(one, str) and "/" not in one and one not in before and one not in _STANDARD_FINALIZERS
    ]
