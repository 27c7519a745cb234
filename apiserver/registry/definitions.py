"""What makes a CustomResourceDefinition good: what is filled in, and what is refused."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from apiserver.document import child, items, made_child, objects, text
from apiserver.refusal import FieldError
from apiserver.schema import fields
from apiserver.schema.rules import uncompiled
from hypersdk.model.base import JsonObject, rfc3339

FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
_SCOPES = ("Cluster", "Namespaced")


def complete(new: JsonObject, old: JsonObject | None, now: datetime) -> None:
    """Fill in names, and the status that says that the resource is served."""
    spec = made_child(new, "spec")
    names = made_child(spec, "names")
    kind = text(names, "kind")
    names.setdefault("singular", kind.lower())
    names.setdefault("listKind", f"{kind}List" if kind else "")
    spec.setdefault("conversion", {"strategy": "None"})
    if old is None:
        made_child(new, "metadata")["finalizers"] = [FINALIZER]
        new["status"] = _status(names, objects(items(spec, "versions")), rfc3339(now))
    else:
        made_child(new, "status")["acceptedNames"] = {key: value for key, value in names.items() if value}


def _status(names: JsonObject, versions: list[JsonObject], moment: str) -> JsonObject:
    accepted: JsonObject = {"type": "NamesAccepted", "reason": "NoConflicts", "message": "no conflicts found"}
    established: JsonObject = {
        "type": "Established",
        "reason": "InitialNamesAccepted",
        "message": "the initial names have been accepted",
    }
    return {
        "acceptedNames": {key: value for key, value in names.items() if value},
        "conditions": [one | {"status": "True", "lastTransitionTime": moment} for one in (accepted, established)],
        "storedVersions": [text(version, "name") for version in versions if version.get("storage") is True],
    }


def unowned(obj: JsonObject) -> JsonObject:
    """Status and finalizer of a new definition are nobody's."""
    return {"metadata": {"finalizers": [FINALIZER]}, "spec": {"names": {}}, "status": obj.get("status")}


def check(new: JsonObject, old: JsonObject | None) -> Sequence[FieldError]:
    """What is wrong with the definition."""
    return [*_names(new), *_versions(new), *_unchanged(new, old)]


def _names(new: JsonObject) -> Iterator[FieldError]:
    spec, names = child(new, "spec"), child(new, "spec", "names")
    name, group = text(child(new, "metadata"), "name"), text(spec, "group")
    if name != f"{text(names, 'plural')}.{group}":
        yield fields.invalid_value("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
    if not group:
        yield fields.required("spec.group")
    if not text(spec, "scope"):
        yield fields.required("spec.scope")
    elif text(spec, "scope") not in _SCOPES:
        yield fields.not_supported("spec.scope", spec["scope"], list(_SCOPES))
    for part in ("plural", "singular", "kind", "listKind"):
        if not text(names, part):
            yield fields.required(f"spec.names.{part}")


def _versions(new: JsonObject) -> Iterator[FieldError]:
    versions = objects(items(child(new, "spec"), "versions"))
    if sum(version.get("storage") is True for version in versions) != 1:
        detail = "must have exactly one version marked as storage version"
        yield fields.invalid_value("spec.versions", child(new, "spec").get("versions"), detail)
    if not items(child(new, "status"), "storedVersions"):
        detail = "must have at least one stored version"
        yield fields.invalid_value("status.storedVersions", None, detail)
    for index, version in enumerate(versions):
        schema = child(version, "schema").get("openAPIV3Schema")
        if not isinstance(schema, dict):
            yield fields.required(f"spec.versions[{index}].schema.openAPIV3Schema")
        else:
            yield from _structural(schema, "spec.validation.openAPIV3Schema", is_root=True)


def _structural(schema: JsonObject, path: str, *, is_root: bool = False) -> Iterator[FieldError]:
    """Every node states its type, and its rules are CEL."""
    yield from uncompiled(schema, path)
    for name, field in child(schema, "properties").items():
        if isinstance(field, dict):
            yield from _structural(field, f"{path}.properties[{name}]")
    for part in ("items", "additionalProperties"):
        part_schema = schema.get(part)
        if isinstance(part_schema, dict):
            yield from _structural(part_schema, f"{path}.{part}")
    free = ("x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields")
    if not text(schema, "type") and (is_root or not any(schema.get(key) is True for key in free)):
        where = "at the root" if is_root else "for specified object fields"
        yield fields.required(f"{path}.type", f"must not be empty {where}")


def _unchanged(new: JsonObject, old: JsonObject | None) -> Iterator[FieldError]:
    if old is None:
        return
    for path in ("spec.group", "spec.scope", "spec.names.plural", "spec.names.kind"):
        *parents, last = path.split(".")
        value = child(new, *parents).get(last)
        if value != child(old, *parents).get(last):
            yield fields.invalid_value(path, value, "field is immutable")
