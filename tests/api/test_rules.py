"""CEL rules of a definition: what they see, when they are asked, and how a refusal is worded."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
from pydantic import JsonValue

from hypersdk.model.base import JsonObject
from tests.api.builders import at
from tests.api.http import Answer, Http, http
from tests.controlplane.api import Api

MERGE = "application/merge-patch+json"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
TEXT: JsonObject = {"type": "string", "maxLength": 20}


def _ruled(schema: JsonObject, *rules: JsonObject) -> JsonObject:
    return {**schema, "x-kubernetes-validations": list(rules)}


def _rule(cel: str, message: str = "", **more: JsonValue) -> JsonObject:
    return {"rule": cel, **({"message": message} if message else {}), **more}


SPEC: JsonObject = {
    "type": "object",
    "properties": {
        "even": _ruled({"type": "integer"}, _rule("self % 2 == 0", "write an even number")),
        "bare": _ruled({"type": "integer"}, _rule("self   < 5 ")),
        "told": _ruled(
            {"type": "integer"},
            _rule("self < 5", "too large", messageExpression="self < 9 ? 'write less than 5' : 'write far less'"),
        ),
        "share": _ruled({"type": "number"}, _rule("self < 0.5", "write less than a half")),
        "on": _ruled({"type": "boolean"}, _rule("self", "write true")),
        "grows": _ruled({"type": "integer"}, _rule("self >= oldSelf", "write no less than before")),
        "once": _ruled(
            {"type": "integer"},
            _rule("oldSelf.hasValue() || self == 1", "begin with 1", optionalOldSelf=True),
        ),
        "size": _ruled(TEXT, _rule("quantity(self).isGreaterThan(quantity('1Gi'))", "write more than 1Gi")),
        "split": _ruled(TEXT, _rule("self.split(',').all(one, one.matches('^[a-z]+$'))", "write words and commas")),
        "found": _ruled(TEXT, _rule("self.findAll('[0-9]').size() == 2", "write two digits")),
        "divided": _ruled({"type": "integer"}, _rule("10 / self > 1", "write 1 to 4")),
        "pair": _ruled(
            {"type": "object", "properties": {"low": {"type": "integer"}, "high": {"type": "integer"}}},
            _rule("!has(self.low) || !has(self.high) || self.low <= self.high", "write more", fieldPath=".high"),
            _rule("has(self.high)", "write high", fieldPath=".high", reason="FieldValueRequired"),
            _rule("self.?low.orValue(0) >= 0", "write no negative low", reason="FieldValueForbidden"),
        ),
        "named": {
            "type": "array",
            "maxItems": 10,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": TEXT,
                    "n": _ruled({"type": "integer"}, _rule("self >= oldSelf", "write no less")),
                },
            },
        },
        "plain": {
            "type": "array",
            "maxItems": 10,
            "items": _ruled({"type": "integer"}, _rule("self > 0", "write more than 0")),
        },
        "map": {
            "type": "object",
            "maxProperties": 10,
            "additionalProperties": _ruled({"type": "integer"}, _rule("self > 0", "write more than 0")),
        },
        "with-dash": {"type": "integer"},
        "namespace": {"type": "integer"},
    },
    **_ruled(
        {},
        _rule(
            "!has(self.with__dash__dash) || self.with__dash__dash > 1", "write more than 1", fieldPath="['with-dash']"
        ),
        _rule("!has(self.__namespace__) || self.__namespace__ > 1", "write more", fieldPath=".namespace"),
    ),
}
SCHEMA: JsonObject = {
    "type": "object",
    "properties": {"spec": SPEC},
    **_ruled({}, _rule("!self.metadata.name.endsWith('-x')", "write another name")),
}


def _definition(group: str, schema: JsonObject) -> JsonObject:
    version: JsonObject = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"ruleds.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "ruleds", "kind": "Ruled"},
            "versions": [version],
        },
    }


class Ruled:
    """A kind with rules."""

    def __init__(self, request: Http, group: str) -> None:
        self.request = request
        self.group = group

    @property
    def path(self) -> str:
        return f"/apis/{self.group}/v1/namespaces/default/ruleds"

    async def define(self, schema: JsonObject) -> None:
        """Make the kind, or change it, and wait until the server goes by it."""
        body = _definition(self.group, schema)
        name = f"{DEFINITIONS}/ruleds.{self.group}"
        made = await self.request("POST", DEFINITIONS, body=body)
        if made.code == 409:
            made = await self.request("PATCH", name, body=body, Content_Type=MERGE)
        assert made.code in {200, 201}, made.body

    async def make(self, name: str, **spec: JsonValue) -> Answer:
        body: JsonObject = {"apiVersion": f"{self.group}/v1", "kind": "Ruled", "metadata": {"name": name}, "spec": spec}
        return await self.request("POST", self.path, body=body)

    async def patch(self, name: str, **spec: JsonValue) -> Answer:
        return await self.request("PATCH", f"{self.path}/{name}", body={"spec": spec}, Content_Type=MERGE)

    async def until_served(self) -> None:
        """A definition is served a moment after it was taken."""
        async with asyncio.timeout(30):
            while (await self.make("probe-x")).code != 422:
                await self.request("DELETE", f"{self.path}/probe-x")


@pytest.fixture
async def ruled(any_api: Api) -> AsyncIterator[Ruled]:
    async with http(any_api) as request:
        kind = Ruled(request, "rules.example.org")
        await kind.define(SCHEMA)
        await kind.until_served()
        yield kind


def _name() -> str:
    return f"r-{uuid.uuid4().hex[:8]}"


def _said(answer: Answer) -> set[str]:
    """Everything that is wrong, as `field: message`."""
    causes = answer.at("details", "causes")
    assert answer.code == 422, answer.body
    assert isinstance(causes, list)
    return {f"{at(cause, 'field')}: {at(cause, 'message')}" for cause in causes}


BROKEN: dict[str, tuple[JsonObject, set[str]]] = {
    "integer": ({"even": 3}, {"spec.even: Invalid value: 3: write an even number"}),
    "no message": ({"bare": 5}, {"spec.bare: Invalid value: 5: failed rule: self   < 5"}),
    "message made": ({"told": 5}, {"spec.told: Invalid value: 5: write less than 5"}),
    "whole number": ({"share": 1}, {"spec.share: Invalid value: 1: write less than a half"}),
    "boolean": ({"on": False}, {"spec.on: Invalid value: false: write true"}),
    "optional old": ({"once": 2}, {"spec.once: Invalid value: 2: begin with 1"}),
    "quantity": ({"size": "1024Mi"}, {'spec.size: Invalid value: "1024Mi": write more than 1Gi'}),
    "split": ({"split": "a,B"}, {'spec.split: Invalid value: "a,B": write words and commas'}),
    "found": ({"found": "a1b"}, {'spec.found: Invalid value: "a1b": write two digits'}),
    "field path": ({"pair": {"low": 2, "high": 1}}, {"spec.pair.high: Invalid value: write more"}),
    "required": ({"pair": {"low": 2}}, {"spec.pair.high: Required value: write high"}),
    "forbidden": ({"pair": {"low": -2, "high": 1}}, {"spec.pair: Forbidden: write no negative low"}),
    "items": (
        {"plain": [1, 0, -1]},
        {
            "spec.plain[1]: Invalid value: 0: write more than 0",
            "spec.plain[2]: Invalid value: -1: write more than 0",
        },
    ),
    "map": ({"map": {"a": 0}}, {"spec.map[a]: Invalid value: 0: write more than 0"}),
    "dash": ({"with-dash": 1}, {"spec.with-dash: Invalid value: write more than 1"}),
    "reserved word": ({"namespace": 1}, {"spec.namespace: Invalid value: write more"}),
    "two": (
        {"even": 1, "bare": 9},
        {"spec.even: Invalid value: 1: write an even number", "spec.bare: Invalid value: 9: failed rule: self   < 5"},
    ),
    "an error": (
        {"divided": 0},
        {'spec.divided: Invalid value: "integer": division by zero evaluating rule: write 1 to 4'},
    ),
    "not asked": (
        {"even": 1, "on": "yes"},
        {
            'spec.on: Invalid value: "string": spec.on in body must be of type boolean: "string"',
            "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; "
            "correct the existing errors to complete validation",
        },
    ),
}


@pytest.mark.parametrize(("spec", "said"), BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_rule_is_told_in_the_same_words(ruled: Ruled, spec: JsonObject, said: set[str]) -> None:
    assert _said(await ruled.make(_name(), **spec)) == said


async def test_the_name_can_be_seen(ruled: Ruled) -> None:
    assert _said(await ruled.make("a-x")) == {"<nil>: Invalid value: write another name"}


async def test_a_transition_is_asked_in_updates_only(ruled: Ruled) -> None:
    name = _name()
    assert (await ruled.make(name, grows=5, once=1, named=[{"name": "a", "n": 3}])).code == 201
    assert _said(await ruled.patch(name, grows=4)) == {"spec.grows: Invalid value: 4: write no less than before"}
    assert (await ruled.patch(name, grows=6, once=9)).code == 200
    shrunk: list[JsonValue] = [{"name": "b", "n": 1}, {"name": "a", "n": 2}]
    assert _said(await ruled.patch(name, named=shrunk)) == {"spec.named[1].n: Invalid value: 2: write no less"}
    assert (await ruled.patch(name, named=[{"name": "b", "n": 1}])).code == 200


async def test_what_was_wrong_before_may_stay_but_not_change(any_api: Api) -> None:
    """A stricter definition does not make the objects of yesterday unwritable."""
    async with http(any_api) as request:
        kind = Ruled(request, f"{_name()}.example.org")
        lax: JsonObject = {"type": "integer"}
        await kind.define(
            {**SCHEMA, "properties": {"spec": {"type": "object", "properties": {"even": lax, "on": lax}}}}
        )
        await kind.until_served()
        assert (await kind.make("old", even=3, on=1)).code == 201
        strict = _ruled({"type": "integer", "maximum": 2}, _rule("self % 2 == 0", "write an even number"))
        await kind.define(
            {**SCHEMA, "properties": {"spec": {"type": "object", "properties": {"even": strict, "on": lax}}}}
        )
        while (await kind.make("probe", even=3)).code != 422:
            await request("DELETE", f"{kind.path}/probe")
        assert (await kind.patch("old", on=2)).code == 200
        assert _said(await kind.patch("old", even=5)) == {
            "spec.even: Invalid value: 5: spec.even in body should be less than or equal to 2",
            "spec.even: Invalid value: 5: write an even number",
        }


async def test_a_definition_with_a_rule_that_is_no_cel_is_refused(any_api: Api) -> None:
    schema: JsonObject = {"type": "object", "properties": {"spec": _ruled({"type": "integer"}, _rule("self +"))}}
    async with http(any_api) as request:
        answer = await request("POST", DEFINITIONS, body=_definition(f"{_name()}.example.org", schema))
    (said,) = _said(answer)
    assert said.startswith("spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule: Invalid")
    assert "compilation failed: " in said
