"""What patches make of documents."""

import pytest
from pydantic import JsonValue

from apiserver.patches.merge import merge_patch
from apiserver.patches.operations import json_patch
from apiserver.patches.strategic import strategic_merge
from apiserver.refusal import Refusal
from hypersdk.model.base import JsonObject

SCHEMA: JsonObject = {
    "properties": {
        "conditions": {
            "type": "array",
            "x-kubernetes-patch-strategy": "merge",
            "x-kubernetes-patch-merge-key": "type",
            "items": {"type": "object", "properties": {"type": {}, "status": {}}},
        },
        "finalizers": {"type": "array", "x-kubernetes-patch-strategy": "merge", "items": {"type": "string"}},
        "plain": {"type": "array", "items": {"type": "string"}},
    }
}


@pytest.mark.parametrize(
    ("patch", "result"),
    [
        ({"b": 2}, {"a": {"x": 1, "y": [1]}, "b": 2}),
        ({"a": {"x": None}}, {"a": {"y": [1]}}),
        ({"a": {"y": [2]}}, {"a": {"x": 1, "y": [2]}}),
        ({"a": 5}, {"a": 5}),
        ({"n": {"deep": None, "z": 1}}, {"a": {"x": 1, "y": [1]}, "n": {"z": 1}}),
    ],
)
def test_merge(patch: JsonObject, result: JsonObject) -> None:
    assert merge_patch({"a": {"x": 1, "y": [1]}}, patch) == result


@pytest.mark.parametrize(
    ("operations", "code"),
    [
        ({}, 400),
        ([5], 400),
        ([{"op": "test", "path": "/a", "value": 9}], 422),
        ([{"op": "remove", "path": "/nope"}], 422),
        ([{"op": "frob", "path": "/a"}], 422),
        ([{"path": "/a"}], 422),
        ([{"op": "remove", "path": "a"}], 422),
        ([{"op": "remove", "path": "/a"}] * 10_001, 413),
    ],
)
def test_a_json_patch_that_cannot_be_applied(operations: JsonValue, code: int) -> None:
    with pytest.raises(Refusal) as refusal:
        json_patch({"a": 1}, operations)
    assert refusal.value.code == code


def test_json_patch() -> None:
    assert json_patch({"a": 1}, [{"op": "replace", "path": "/a", "value": 2}]) == {"a": 2}


@pytest.mark.parametrize(
    ("patch", "result"),
    [
        pytest.param(
            {"conditions": [{"type": "A", "status": "x"}, {"type": "C"}]},
            {"conditions": [{"type": "A", "status": "x"}, {"type": "B"}, {"type": "C"}]},
            id="members are found by their key",
        ),
        pytest.param(
            {"conditions": [{"$patch": "delete", "type": "A"}]}, {"conditions": [{"type": "B"}]}, id="one is deleted"
        ),
        pytest.param(
            {"conditions": [{"$patch": "replace"}, {"type": "Z"}]}, {"conditions": [{"type": "Z"}]}, id="all replaced"
        ),
        pytest.param(
            {"$setElementOrder/conditions": [{"type": "B"}, {"type": "A"}]},
            {"conditions": [{"type": "B"}, {"type": "A", "status": "a"}]},
            id="order",
        ),
        pytest.param({"finalizers": ["y"]}, {"finalizers": ["x", "y"]}, id="a set grows"),
        pytest.param({"$deleteFromPrimitiveList/finalizers": ["x"]}, {"finalizers": []}, id="a set shrinks"),
        pytest.param({"plain": ["new"]}, {"plain": ["new"]}, id="a plain list is replaced"),
        pytest.param({"finalizers": None}, {"finalizers": None}, id="null removes"),
    ],
)
def test_strategic_merge(patch: JsonObject, result: JsonObject) -> None:
    target: JsonObject = {
        "conditions": [{"type": "A", "status": "a"}, {"type": "B"}],
        "finalizers": ["x"],
        "plain": ["old"],
    }
    wanted = {name: value for name, value in (target | result).items() if value is not None}
    assert strategic_merge(target, patch, SCHEMA) == wanted
