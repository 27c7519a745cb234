"""Whatever is sent to whatever path the OpenAPI names: the server never fails, and says why it refuses.

Every method of every path is tried with each of its parameters. HYPERSDK_ROUNDS asks for more of it, HYPERSDK_SEED for
other values.
"""

import json
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from pydantic import JsonValue

from apiserver.document import child, objects, text
from apiserver.lifecycle.bootstrap import shipped
from hypersdk.data import data_folder
from hypersdk.model.base import JsonObject
from tests.unit.apiserver.serving import DEFINITION, Running, serving, thing

ROUNDS = int(os.environ.get("HYPERSDK_ROUNDS", "1"))
SEED = int(os.environ.get("HYPERSDK_SEED", "20261123"))
SAMPLES = 12
LEAST = 6
"""Requests of each operation in a round; one with more parameters gets one for each."""
NAMES = [
    "a",
    "default",
    "-",
    "..",
    "%2e%2e",
    "a/b",
    "A_B",
    "x" * 300,
    "\u00fc",
    "a\x00b",
    " ",
    "'; DROP TABLE objects;--",
    "{}",
]
TEXTS = [
    "",
    "0",
    "1",
    "-1",
    "x",
    "true",
    "9" * 30,
    "a=b",
    "a in (",
    "metadata.name=a",
    "\ud83d\ude00",
    "All",
    "Strict",
    "!",
    "\x01",
]
VALUES: list[JsonValue] = [
    None,
    True,
    0,
    -1,
    2**53,
    1e308,
    "",
    "x",
    "\u0000",
    [],
    {},
    [[]],
    {"": {}},
    [None],
    "2026-11-23T10:00:00Z",
    {"metadata": []},
    {"$ref": "#"},
]
TYPES = [
    *("application/json", "application/yaml", "application/merge-patch+json", "application/json-patch+json"),
    *(
        "application/strategic-merge-patch+json",
        "application/apply-patch+yaml",
        "text/plain",
        "application/json; charset=x",
    ),
    *("application/vnd.kubernetes.protobuf", "x", ""),
]
ACCEPTS = [
    *(
        "",
        "*/*",
        "application/json",
        "application/yaml",
        "text/html",
        "application/json;as=Table;v=v1;g=meta.k8s.io",
        ";",
    ),
    *("application/json;as=Nothing;v=v1;g=meta.k8s.io", "application/vnd.kubernetes.protobuf", "application/json;q=x"),
]


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    parameters: list[str]
    """The names of those in the query."""


async def _operations(api: Running) -> list[Operation]:
    """Everything that the OpenAPI tells of."""
    index = await api.call("GET", "/openapi/v3")
    found: list[Operation] = []
    for group in child(index.body, "paths").values():
        assert isinstance(group, dict)
        document = (await api.call("GET", text(group, "serverRelativeURL"))).body
        for path, item in child(document, "paths").items():
            assert isinstance(item, dict)
            for method in item.keys() - {"parameters"}:
                listed = objects(_list(child(item, method).get("parameters")))
                found.append(Operation(method.upper(), path, [text(one, "name") for one in listed]))
    return found


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


class Chance:
    """What to send next."""

    def __init__(self, seed: int, bodies: Sequence[JsonValue]) -> None:
        self._random = random.Random(seed)
        self._bodies = bodies

    def path(self, template: str) -> str:
        """The path with names filled in: mostly such as there are, so that a body is looked at."""
        filled = template.replace("{namespace}", "default" if self._random.random() < 0.8 else self._odd_name())
        return filled.replace("{name}", "a" if self._random.random() < 0.6 else self._odd_name())

    def _odd_name(self) -> str:
        return quote(self._random.choice(NAMES), safe="%/")

    def query(self, names: list[str], always: str) -> dict[str, str]:
        """One of the parameters and some of the others, and never a watch that goes on."""
        chosen = {name: self._random.choice(TEXTS) for name in names if name == always or self._random.random() < 0.2}
        return chosen | ({"timeoutSeconds": "1"} if "watch" in chosen else {})

    def headers(self) -> dict[str, str]:
        """A content type and an accepted one."""
        return {"Content-Type": self._random.choice(TYPES), "Accept": self._random.choice(ACCEPTS)}

    def body(self, method: str) -> bytes | None:
        """No JSON, other JSON, or an object with something odd in it."""
        if method == "GET":
            return None
        roll = self._random.random()
        if roll < 0.1:
            return self._random.randbytes(self._random.randrange(40))
        if roll < 0.3:
            return json.dumps(self._random.choice(VALUES)).encode()
        return json.dumps(self._bent(self._random.choice(self._bodies))).encode()

    def _bent(self, value: JsonValue) -> JsonValue:
        """The value with odd ones in a few places."""
        if self._random.random() < 0.12:
            return self._random.choice(VALUES)
        if isinstance(value, dict):
            bent = {name: self._bent(member) for name, member in value.items() if self._random.random() < 0.95}
            return bent | (
                {self._random.choice(TEXTS): self._random.choice(VALUES)} if self._random.random() < 0.1 else {}
            )
        return [self._bent(member) for member in value] if isinstance(value, list) else value


SECRET: JsonObject = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "a"},
    "data": {"a": "YQ=="},
    "type": "x",
}
PATCH: list[JsonValue] = [
    {"op": "add", "path": "/spec/n", "value": 2},
    {"op": "test", "path": "/metadata", "value": {}},
]


def _sample(schema: JsonObject, chance: random.Random) -> JsonValue:
    """Something that the schema may take: each field half of the time, required ones always."""
    match schema.get("type"):
        case "object":
            needed = _list(schema.get("required"))
            return {
                name: _sample(part, chance)
                for name, part in child(schema, "properties").items()
                if isinstance(part, dict) and (name in needed or chance.random() < 0.5)
            }
        case "array":
            return [_sample(child(schema, "items"), chance) for _ in range(chance.randrange(3))]
        case "integer" | "number":
            return chance.choice([1, 2, 128, 2**40])
        case "boolean":
            return chance.random() < 0.5
    return chance.choice(_list(schema.get("enum")) or ["a", "b", "1Gi", "10m", "0 3 * * *", *TEXTS])


def _objects(definition: JsonObject, chance: random.Random) -> list[JsonValue]:
    """Objects of a defined kind, all of them named `a`."""
    spec = child(definition, "spec")
    version = objects(_list(spec["versions"]))[0]
    schema = child(version, "schema", "openAPIV3Schema")
    head: JsonObject = {
        "apiVersion": f"{spec['group']}/{version['name']}",
        "kind": child(spec, "names")["kind"],
        "metadata": {"name": "a"},
    }
    samples = (_sample(schema, chance) for _ in range(SAMPLES))
    return [sample | head for sample in samples if isinstance(sample, dict)]


OURS = shipped(data_folder("deploy") / "crds")
EXAMPLES = [one | {"metadata": {"name": "a"}} for one in shipped(data_folder("deploy") / "examples")]
CASES: dict[str, tuple[Sequence[JsonObject], str, list[JsonValue]]] = {
    "built in, and one more": ((DEFINITION,), "/", [thing("a"), DEFINITION, SECRET, PATCH]),
    "our kinds": (
        OURS,
        "/apis/hypersdk.io/",
        [one for each in OURS for one in _objects(each, random.Random(7))] + [*EXAMPLES * 5, PATCH],
    ),
}


@pytest.mark.timeout(120 * ROUNDS)
@pytest.mark.parametrize(("definitions", "below", "bodies"), CASES.values(), ids=CASES.keys())
async def test_nothing_that_is_sent_makes_it_fail(
    tmp_path: Path, definitions: Sequence[JsonObject], below: str, bodies: list[JsonValue]
) -> None:
    chance, sent = Chance(SEED, bodies), 0
    async with serving(tmp_path, definitions=definitions) as api:
        operations = [one for one in await _operations(api) if one.path.startswith(below)]
        assert len(operations) > 50
        for _ in range(ROUNDS):
            for turn in range(max(LEAST, *(len(one.parameters) for one in operations))):
                for operation in operations:
                    if turn < max(LEAST, len(operation.parameters)):
                        await _try(api, chance, operation, turn)
                        sent += 1
        assert (await api.call("GET", "/readyz")).code == 200
    print(f"{len(operations)} operations, {sum(len(one.parameters) for one in operations)} parameters, {sent} requests")  # noqa: T201 -- with -s


async def _try(api: Running, chance: Chance, operation: Operation, turn: int) -> None:
    """Send something, and look at the answer."""
    method, names = operation.method, operation.parameters
    path, query = chance.path(operation.path), chance.query(names, names[turn % len(names)])
    headers, body = chance.headers(), chance.body(method)
    sent = f"HYPERSDK_SEED={SEED}: {method} {path} {query} {headers} {body!r}"
    async with api.session.request(method, path, params=query, headers=headers, data=body) as response:
        answer = await response.read()
        assert response.status < 500 or response.status == 504, f"{sent}: {response.status} {answer!r}"
        if response.status >= 400 and answer.startswith(b"{"):
            assert json.loads(answer)["kind"] == "Status", sent
