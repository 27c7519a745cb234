"""Whatever is sent to whatever path the OpenAPI names: the server never fails, and says why it refuses."""

import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
from pydantic import JsonValue

from apiserver.document import child, objects, text
from hypersdk.model.base import JsonObject
from tests.unit.apiserver.serving import DEFINITION, Running, serving, thing

ROUNDS = 6
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


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Running]:
    async with serving(tmp_path) as running:
        yield running


async def _operations(api: Running) -> list[tuple[str, str, list[str]]]:
    """Every method, path and the names of its query parameters that the OpenAPI tells of."""
    index = await api.call("GET", "/openapi/v3")
    found: list[tuple[str, str, list[str]]] = []
    for group in child(index.body, "paths").values():
        assert isinstance(group, dict)
        document = (await api.call("GET", text(group, "serverRelativeURL"))).body
        for path, item in child(document, "paths").items():
            assert isinstance(item, dict)
            shared = objects(_list(item.get("parameters")))
            for method in item.keys() & {"get", "put", "post", "patch", "delete"}:
                parameters = [*shared, *objects(_list(child(item, method).get("parameters")))]
                found.append(
                    (method.upper(), path, [text(one, "name") for one in parameters if one.get("in") == "query"])
                )
    return found


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


class Chance:
    """What to send next."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def path(self, template: str) -> str:
        """The path with names filled in: mostly such as there are, so that a body is looked at."""
        filled = template.replace("{namespace}", "default" if self._random.random() < 0.8 else self._odd_name())
        return filled.replace("{name}", "a" if self._random.random() < 0.6 else self._odd_name())

    def _odd_name(self) -> str:
        return quote(self._random.choice(NAMES), safe="%/")

    def query(self, names: list[str]) -> dict[str, str]:
        """Some of the parameters, and never a watch that goes on."""
        chosen = {name: self._random.choice(TEXTS) for name in names if self._random.random() < 0.25}
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
        return json.dumps(self._bent(self._random.choice([thing("a"), DEFINITION, SECRET, PATCH]))).encode()

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


@pytest.mark.timeout(60)
async def test_nothing_that_is_sent_makes_it_fail(api: Running) -> None:
    chance = Chance(20261123)
    operations = await _operations(api)
    assert len(operations) > 50
    for method, template, names in operations * ROUNDS:
        path, query, headers, body = chance.path(template), chance.query(names), chance.headers(), chance.body(method)
        sent = f"{method} {path} {query} {headers} {body!r}"
        async with api.session.request(method, path, params=query, headers=headers, data=body) as response:
            answer = await response.read()
            assert response.status < 500 or response.status == 504, f"{sent}: {response.status} {answer!r}"
            if response.status >= 400 and answer.startswith(b"{"):
                assert json.loads(answer)["kind"] == "Status", sent
    assert (await api.call("GET", "/readyz")).code == 200
