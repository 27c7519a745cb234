"""Who owns which field, over plain writes and server-side apply."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from pydantic import JsonValue

from apiserver.document import child, items, objects, text
from apiserver.ownership.applying import applied
from apiserver.ownership.fieldset import (
    Tree,
    difference,
    from_fields_v1,
    intersection,
    paths,
    to_fields_v1,
    union,
)
from apiserver.ownership.managers import Writer, track_update
from apiserver.refusal import Refusal
from hypersdk.model.base import JsonObject

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SCHEMA: JsonObject = {
    "properties": {
        "metadata": {
            "properties": {
                "labels": {"additionalProperties": {"type": "string"}},
                "finalizers": {"x-kubernetes-list-type": "set"},
            }
        },
        "spec": {
            "properties": {
                "cpus": {},
                "memory": {},
                "disks": {"type": "array"},
                "keyed": {
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {"properties": {"name": {}, "size": {}}},
                },
            }
        },
    }
}
LEFT: JsonObject = {"f:a": {}, "f:b": {".": {}, "f:c": {}}}
RIGHT: JsonObject = {"f:b": {"f:c": {}, "f:d": {}}}


def obj(labels: JsonObject | None = None, **spec: JsonValue) -> JsonObject:
    return {"metadata": {"name": "x"} | ({"labels": labels} if labels else {}), "spec": dict(spec)}


def owners(obj: JsonObject) -> dict[str, JsonObject]:
    entries = objects(items(child(obj, "metadata"), "managedFields"))
    return {text(entry, "manager"): child(entry, "fieldsV1") for entry in entries}


def apply(live: JsonObject, config: JsonObject, manager: str = "m1", *, force: bool = False) -> JsonObject:
    return applied(live, config, SCHEMA, Writer(manager, "Apply", "v1"), force, NOW)


@pytest.mark.parametrize(
    ("combine", "result"),
    [
        (union, {"f:a": {}, "f:b": {".": {}, "f:c": {}, "f:d": {}}}),
        (difference, {"f:a": {}, "f:b": {}}),
        (intersection, {"f:b": {"f:c": {}}}),
    ],
)
def test_sets_of_fields(combine: Callable[[Tree, Tree], Tree], result: JsonObject) -> None:
    assert to_fields_v1(combine(from_fields_v1(LEFT), from_fields_v1(RIGHT))) == result


def test_paths_are_written_for_people() -> None:
    tree = from_fields_v1({"f:spec": {'k:{"name":"root"}': {"f:size": {}}, 'v:"x"': {}}})
    assert list(paths(tree)) == ['.spec[="x"]', '.spec[name="root"].size'], "in the order of Kubernetes"


def test_a_new_object_belongs_to_who_makes_it() -> None:
    new = obj({"app": "x"}, cpus=2, disks=[{"name": "root"}])
    track_update({}, new, SCHEMA, Writer("kubectl", "Update", "v1"), NOW, is_new=True)
    assert owners(new) == {
        "kubectl": {
            "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
            "f:spec": {".": {}, "f:cpus": {}, "f:disks": {}},
        }
    }


def test_a_change_moves_the_field_to_who_changes_it() -> None:
    old = obj(cpus=2, memory="1Gi")
    track_update({}, old, SCHEMA, Writer("a", "Update", "v1"), NOW, is_new=True)
    new = obj(cpus=3)
    track_update(old, new, SCHEMA, Writer("b", "Update", "v1"), NOW)
    assert owners(new) == {"a": {"f:spec": {}}, "b": {"f:spec": {"f:cpus": {}}}}


def test_what_is_no_longer_applied_goes() -> None:
    first = apply({}, obj({"a": "1", "b": "2"}, cpus=2, memory="1Gi"))
    second = apply(first, obj({"a": "1"}, cpus=2))
    assert second["spec"] == {"cpus": 2}
    assert child(second, "metadata", "labels") == {"a": "1"}


def test_what_somebody_else_applies_too_stays() -> None:
    first = apply({}, obj(cpus=2, memory="1Gi"))
    both = apply(first, obj(cpus=2), "m2")
    rest = apply(both, obj(memory="1Gi"))
    assert rest["spec"] == {"cpus": 2, "memory": "1Gi"}
    assert owners(rest) == {"m1": {"f:spec": {"f:memory": {}}}, "m2": {"f:spec": {"f:cpus": {}}}}


def test_a_conflict_names_manager_and_field() -> None:
    first = apply({}, obj(cpus=2))
    with pytest.raises(Refusal) as refusal:
        apply(first, obj(cpus=3), "m2")
    assert str(refusal.value) == 'Apply failed with 1 conflict: conflict with "m1": .spec.cpus'
    assert refusal.value.code == 409
    assert owners(apply(first, obj(cpus=3), "m2", force=True)) == {"m2": {"f:spec": {"f:cpus": {}}}}


def test_members_of_a_keyed_list_are_merged() -> None:
    first = apply({}, obj(keyed=[{"name": "a", "size": 1}, {"name": "b"}]))
    second = apply(first, obj(keyed=[{"name": "c"}]), "m2")
    assert child(second, "spec")["keyed"] == [{"name": "a", "size": 1}, {"name": "b"}, {"name": "c"}]
    third = apply(second, obj(keyed=[{"name": "b"}]))
    assert child(third, "spec")["keyed"] == [{"name": "b"}, {"name": "c"}]


def test_applying_the_same_again_changes_nothing() -> None:
    once = apply({}, obj({"a": "1"}, cpus=2, keyed=[{"name": "a"}]))
    assert apply(once, obj({"a": "1"}, cpus=2, keyed=[{"name": "a"}])) == once


def test_the_first_apply_of_an_unmanaged_object_keeps_who_was_before() -> None:
    result = apply(obj(cpus=2, memory="1Gi"), obj(cpus=3), force=True)
    assert owners(result)["before-first-apply"] == {"f:spec": {".": {}, "f:memory": {}}}
