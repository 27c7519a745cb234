"""The server over HTTP: who may ask, what is bounded, what discovery and OpenAPI say."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from apiserver.document import child, items, objects, text
from apiserver.server import BODY_LIMIT
from tests.unit.apiserver.serving import THINGS, Running, serving, thing

JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Running]:
    async with serving(tmp_path) as running:
        yield running


@pytest.mark.parametrize(
    ("path", "header", "code"),
    [
        ("/api", "", 401),
        ("/api", "Bearer wrong", 401),
        ("/api", "Basic c2VjcmV0", 401),
        ("/api", "Bearer secret", 200),
        ("/api", "bearer secret", 200),
        ("/healthz", "", 200),
        ("/livez", "", 200),
        ("/readyz/ping", "", 200),
        ("/version", "", 200),
        ("/version", "Bearer wrong", 401),
        ("/openapi/v3", "", 401),
    ],
)
async def test_who_may_ask(api: Running, path: str, header: str, code: int) -> None:
    assert (await api.call("GET", path, Authorization=header)).code == code


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/nope", 404),
        ("/apis/nope.io/v1/things", 404),
        ("/api/v1/nopes", 404),
        ("/apis/test.io/v1/namespaces/default/things/%2e%2e%2fx", 404),
        ("/apis/test.io/v1/namespaces/default/things/a%00b", 404),
        ("/api/v1/namespaces/default/secrets/..%2f..%2fx", 404),
    ],
)
async def test_paths_that_lead_nowhere(api: Running, path: str, code: int) -> None:
    assert (await api.call("GET", path)).code == code


async def test_a_body_that_is_too_large_is_refused(api: Running) -> None:
    async with api.session.post(THINGS, data=io.BytesIO(b"x" * (BODY_LIMIT + 1)), headers=JSON) as response:
        assert (response.status, (await response.json())["reason"]) == (413, "RequestEntityTooLarge")


async def test_headers_that_are_too_large_are_refused(api: Running) -> None:
    async with api.session.get("/version", headers={"X-Long": "x" * 100_000}) as response:
        assert response.status == 400
    assert (await api.call("GET", "/version")).code == 200


async def test_a_body_that_is_nested_too_deeply_is_refused(api: Running) -> None:
    async with api.session.post(THINGS, data=b'{"a":' * 50_000, headers=JSON) as response:
        assert response.status == 400


async def test_headers_that_trickle_in_are_not_waited_for(api: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(b"GET /version HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")
    api.accepted[-1].seconds = 0.05
    writer.write(b"GET /version HTTP/1.1\r\n")
    with suppress(ConnectionResetError):
        await reader.read()
    writer.close()
    assert (await api.call("GET", "/version")).code == 200


async def test_nobody_is_told_which_software_answers(api: Running) -> None:
    async with api.session.get("/version") as response:
        assert "Server" not in response.headers


async def test_a_large_list_is_compressed_when_asked(api: Running) -> None:
    await api.call("POST", THINGS, thing("a", annotations={"a": "x" * 200_000}))
    async with api.session.get(THINGS, headers={"Accept-Encoding": "gzip"}) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert len(objects(items(await response.json(), "items"))) == 1
    async with api.session.get(THINGS, headers={"Accept-Encoding": "identity"}) as response:
        assert "Content-Encoding" not in response.headers


async def test_a_page_that_is_too_old_tells_how_to_go_on(api: Running) -> None:
    for name in ("a", "b", "c"):
        await api.call("POST", THINGS, thing(name))
    first = await api.call("GET", f"{THINGS}?limit=1")
    await api.call("POST", THINGS, thing("d"))
    api.store.collection("things.test.io").floor = api.store.version
    gone = await api.call("GET", f"{THINGS}?limit=1&continue={text(child(first.body, 'metadata'), 'continue')}")
    assert (gone.code, gone.body["reason"]) == (410, "Expired")
    rest = await api.call("GET", f"{THINGS}?continue={text(child(gone.body, 'metadata'), 'continue')}")
    assert [text(child(one, "metadata"), "name") for one in objects(items(rest.body, "items"))] == ["b", "c", "d"]


async def test_both_discoveries_name_a_new_kind(api: Running) -> None:
    legacy = await api.call("GET", "/apis/test.io/v1")
    assert [text(one, "name") for one in objects(items(legacy.body, "resources"))] == ["things", "things/status"]
    wanted = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
    aggregated = await api.call("GET", "/apis", Accept=wanted)
    groups = {text(child(one, "metadata"), "name"): one for one in objects(items(aggregated.body, "items"))}
    versions = objects(items(groups["test.io"], "versions"))
    assert [text(one, "resource") for one in objects(items(versions[0], "resources"))] == ["things"]


async def test_openapi_declares_server_side_validation(api: Running) -> None:
    index = await api.call("GET", "/openapi/v3")
    url = text(child(index.body, "paths", "apis/test.io/v1"), "serverRelativeURL")
    document = (await api.call("GET", url)).body
    patch = child(document, "paths", "/apis/test.io/v1/namespaces/{namespace}/things/{name}", "patch")
    assert "fieldValidation" in [text(one, "name") for one in objects(items(patch, "parameters"))]
    assert patch["x-kubernetes-group-version-kind"] == {"group": "test.io", "version": "v1", "kind": "Thing"}


async def test_a_definition_that_goes_is_no_longer_served(api: Running) -> None:
    await api.call("POST", THINGS, thing("a"))
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.test.io"
    async with api.session.get(THINGS, params={"watch": "1"}) as watching:
        assert json.loads(await watching.content.readline())["type"] == "ADDED"
        assert (await api.call("DELETE", path)).code == 200
        assert json.loads(await watching.content.readline())["type"] == "DELETED"
        assert await watching.content.read() == b""
    assert (await api.call("GET", path)).code == 404
    assert (await api.call("GET", THINGS)).code == 404
    assert (await api.call("GET", "/apis/test.io/v1")).code == 404


async def test_a_watcher_that_does_not_read_is_cut_off(api: Running) -> None:
    await api.call("POST", THINGS, thing("a"))
    stopped = asyncio.Event()
    async with api.session.get(THINGS, params={"watch": "1"}) as watching:
        await watching.content.readline()
        api.store.cut_watches()
        with pytest.raises(Exception, match=r"(?i)payload|connection"):
            await watching.content.read()
        stopped.set()
    assert stopped.is_set()


async def test_pages_are_of_one_moment(api: Running) -> None:
    for name in ("a", "b", "c"):
        await api.call("POST", THINGS, thing(name))
    first = (await api.call("GET", f"{THINGS}?limit=2")).body
    await api.call("DELETE", f"{THINGS}/c")
    await api.call("POST", THINGS, thing("bb"))
    meta = child(first, "metadata")
    second = (await api.call("GET", f"{THINGS}?limit=2&continue={text(meta, 'continue')}")).body
    assert meta["remainingItemCount"] == 1
    assert [text(child(one, "metadata"), "name") for one in objects(items(second, "items"))] == ["c"]
    assert text(child(second, "metadata"), "resourceVersion") == text(meta, "resourceVersion")


async def test_a_built_in_kind_may_be_left_to_the_path(api: Running) -> None:
    made = await api.call("POST", "/api/v1/namespaces/default/secrets", {"metadata": {"name": "login"}})
    assert (made.code, made.body["kind"], made.body["apiVersion"]) == (201, "Secret", "v1")
    assert (await api.call("POST", THINGS, {"metadata": {"name": "x"}})).code == 400
