"""Structural schemas: what they prune, fill in, and how they refuse."""

from copy import deepcopy

import pytest
from pydantic import JsonValue

from apiserver.refusal import Named, invalid
from apiserver.schema.defaulting import apply_defaults
from apiserver.schema.pruning import prune
from apiserver.schema.validation import validate
from hypersdk.model.base import JsonObject

SCHEMA: JsonObject = {
    "type": "object",
    "properties": {
        "metadata": {"type": "object"},
        "spec": {
            "type": "object",
            "required": ["a"],
            "properties": {
                "a": {"type": "string"},
                "exclusive": {"type": "number", "minimum": 1.5, "exclusiveMinimum": True},
                "cpus": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 128},
                "multiple": {"type": "integer", "multipleOf": 3},
                "memory": {"type": "string", "pattern": "^[0-9]+[KMGT]i$"},
                "short": {"type": "string", "minLength": 2, "maxLength": 5},
                "list": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "integer"}},
                "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                "keyed": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["k"],
                    "items": {
                        "type": "object",
                        "required": ["k"],
                        "properties": {"k": {"type": "string"}, "v": {"type": "string", "default": "dv"}},
                    },
                },
                "map": {"type": "object", "maxProperties": 1, "additionalProperties": {"type": "integer"}},
                "at": {"type": "string", "format": "date-time"},
                "either": {"x-kubernetes-int-or-string": True},
                "maybe": {"type": "string", "nullable": True, "default": "n"},
                "filled": {"type": "string", "default": "d"},
                "inner": {"type": "object", "properties": {"x": {"type": "integer", "default": 3}}},
                "choice": {"type": "string", "enum": ["disk", "cdrom"]},
                "one": {"type": "object", "oneOf": [{"required": ["p"]}, {"required": ["q"]}], "properties": {}},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "flag": {"type": "boolean"},
            },
        },
    },
}


def errors(**spec: JsonValue) -> list[str]:
    return [str(error) for error in validate({"spec": {"a": "x", **spec}}, SCHEMA)]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("cpus", 0, "Invalid value: 0: spec.cpus in body should be greater than or equal to 1"),
        ("cpus", 129, "Invalid value: 129: spec.cpus in body should be less than or equal to 128"),
        ("cpus", "2", 'Invalid value: "string": spec.cpus in body must be of type integer: "string"'),
        ("cpus", None, 'Invalid value: "null": spec.cpus in body must be of type integer: "null"'),
        ("exclusive", 1.5, "Invalid value: 1.5: spec.exclusive in body should be greater than 1.5"),
        ("multiple", 4, "Invalid value: 4: spec.multiple in body should be a multiple of 3"),
        ("memory", "8G", "Invalid value: \"8G\": spec.memory in body should match '^[0-9]+[KMGT]i$'"),
        ("short", "a", 'Invalid value: "a": spec.short in body should be at least 2 chars long'),
        ("short", "abcdef", "Too long: may not be more than 5 bytes"),
        ("list", [], "Invalid value: 0: spec.list in body should have at least 1 items"),
        ("list", [1, 2, 3], "Too many: 3: must have at most 2 items"),
        ("map", {"a": 1, "b": 2}, "Too many: 2: must have at most 1 item"),
        ("at", "zz", 'Invalid value: "zz": spec.at in body must be of type date-time: "zz"'),
        ("either", 1.5, 'Invalid value: "number": spec.either in body must be of type integer,string: "number"'),
        ("choice", "tape", 'Unsupported value: "tape": supported values: "disk", "cdrom"'),
        ("flag", "true", 'Invalid value: "string": spec.flag in body must be of type boolean: "string"'),
        ("free", 5, 'Invalid value: "integer": spec.free in body must be of type object: "integer"'),
    ],
)
def test_refusals_are_worded_as_the_real_one_does(field: str, value: JsonValue, words: str) -> None:
    assert errors(**{field: value}) == [f"spec.{field}: {words}"]


def test_members_are_named_by_their_path() -> None:
    assert errors(list=["a"]) == [
        'spec.list[0]: Invalid value: "string": spec.list[0] in body must be of type integer: "string"'
    ]
    assert errors(keyed=[{"v": "a"}]) == ["spec.keyed[0].k: Required value"]
    assert errors(set=["a", "a"]) == ['spec.set[1]: Duplicate value: "a"']
    assert errors(keyed=[{"k": "a"}, {"k": "a"}]) == ['spec.keyed[1]: Duplicate value: {"k":"a"}']


def test_out_of_range_has_no_field() -> None:
    assert errors(cpus=3_000_000_000) == [
        '<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec.cpus',
        "spec.cpus: Invalid value: 3000000000: spec.cpus in body should be less than or equal to 128",
    ]


def test_one_of_tells_what_is_missing() -> None:
    assert errors(one={})[0] == (
        '<nil>: Invalid value: "": "spec.one" must validate one and only one schema (oneOf). Found none valid'
    )
    assert errors(one={"p": 1, "q": 2})[0].endswith("Found 2 valid alternatives")


@pytest.mark.parametrize("text", ["8Gi\n", "\n8Gi", "8gi"])
def test_a_pattern_holds_to_the_very_end(text: str) -> None:
    assert errors(memory=text)


def test_good_values_pass() -> None:
    assert not errors(cpus=2, memory="8Gi", exclusive=1.6, at="2026-11-23T10:00:00.5Z", either="x", maybe=None)


def test_unknown_fields_are_dropped_and_told() -> None:
    obj: JsonObject = {
        "apiVersion": "v1",
        "metadata": {"name": "kept"},
        "spec": {"foo": 1, "keyed": [{"k": "a", "bar": 1}], "free": {"any": {"thing": 1}}},
        "zip": 1,
    }
    assert prune(obj, SCHEMA) == ["spec.foo", "spec.keyed[0].bar", "zip"]
    assert obj == {
        "apiVersion": "v1",
        "metadata": {"name": "kept"},
        "spec": {"keyed": [{"k": "a"}], "free": {"any": {"thing": 1}}},
    }


@pytest.mark.parametrize(
    ("spec", "filled"),
    [
        pytest.param({}, {"filled": "d", "maybe": "n"}, id="what is missing"),
        pytest.param({"filled": None}, {"filled": "d", "maybe": "n"}, id="a null that is not allowed is missing"),
        pytest.param({"maybe": None}, {"filled": "d", "maybe": None}, id="an allowed null stays"),
        pytest.param({"a": None}, {"filled": "d", "maybe": "n"}, id="a null without a default is dropped"),
        pytest.param({"inner": {}}, {"filled": "d", "maybe": "n", "inner": {"x": 3}}, id="inside an object"),
        pytest.param(
            {"keyed": [{"k": "1"}]}, {"filled": "d", "maybe": "n", "keyed": [{"k": "1", "v": "dv"}]}, id="in a list"
        ),
        pytest.param({"map": {"x": None}}, {"filled": "d", "maybe": "n", "map": {}}, id="a null in a map"),
    ],
)
def test_defaults(spec: JsonObject, filled: JsonObject) -> None:
    obj: JsonObject = {"spec": deepcopy(spec)}
    apply_defaults(obj, SCHEMA)
    assert obj["spec"] == filled


def test_many_errors_are_one_answer_with_causes() -> None:
    status = invalid(Named("hypersdk.io", "VirtualMachine", "x"), validate({"spec": {"cpus": 0}}, SCHEMA)).status()
    assert status["message"] == (
        'VirtualMachine.hypersdk.io "x" is invalid: [spec.a: Required value, '
        "spec.cpus: Invalid value: 0: spec.cpus in body should be greater than or equal to 1]"
    )
    assert status["code"] == 422
