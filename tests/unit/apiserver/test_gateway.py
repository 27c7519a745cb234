"""Streams pass through the server to the controller's gateway, and say who asks."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from apiserver.document import items, objects, text
from apiserver.gateway import GROUP, PREFIX, VERSION
from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import SUBRESOURCES
from tests.unit.apiserver.serving import Running, serving

VM = f"{PREFIX}namespaces/default/virtualmachines/web"
RESOURCES: JsonObject = {
    "kind": "APIResourceList",
    "apiVersion": "v1",
    "groupVersion": SUBRESOURCES,
    "resources": [
        {
            "name": "virtualmachines/console",
            "singularName": "",
            "namespaced": True,
            "kind": "Console",
            "verbs": ["get", "update"],
        }
    ],
}
SPOOFED = {
    "X-Remote-User": "root",
    "x-remote-group": "system:masters",
    "X-Remote-Extra-A": "b",
    "X-Forwarded-For": "192.0.2.1",
}


async def _answer(request: web.Request) -> web.StreamResponse:
    """A gateway that tells what it was asked; its console echoes."""
    if request.path == PREFIX.rstrip("/"):
        return web.json_response(RESOURCES)
    seen = {
        "path": request.raw_path,
        "user": request.headers.getall("X-Remote-User", []),
        "groups": request.headers.getall("X-Remote-Group", []),
        "extra": request.headers.get("X-Remote-Extra-A", ""),
        "authorization": request.headers.get("Authorization", ""),
        "peer": request.headers.getall("X-Forwarded-For", []),
    }
    if request.path.endswith("/forbidden/console"):
        return web.json_response({"kind": "Status", "code": 403, "message": "no, you"}, status=403)
    if not request.path.endswith("/console"):
        return web.json_response(seen, status=202, headers={"X-Seen": "yes"})
    socket = web.WebSocketResponse(protocols=("v1.console",))
    await socket.prepare(request)
    await socket.send_str(json.dumps(seen))
    async for message in socket:
        if message.data == b"bye":
            await socket.close(code=4001)
        else:
            await socket.send_bytes(b"echo " + message.data)
    return socket


@asynccontextmanager
async def gateway_at(path: Path) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", _answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.UnixSite(runner, str(path)).start()
    try:
        yield
    finally:
        await runner.cleanup()


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Running]:
    async with serving(tmp_path, tmp_path / "gateway.sock") as running:
        yield running


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[None]:
    async with gateway_at(tmp_path / "gateway.sock"):
        yield


def test_the_group_is_that_of_the_models() -> None:
    assert f"{GROUP}/{VERSION}" == SUBRESOURCES


@pytest.mark.usefixtures("gateway")
async def test_a_plain_get_carries_the_caller_and_no_secret(api: Running) -> None:
    async with api.session.get(f"{VM}/metrics?since=5", headers=SPOOFED) as response:
        assert (response.status, response.headers["X-Seen"]) == (202, "yes")
        assert await response.json() == {
            "path": f"{VM}/metrics?since=5",
            "user": ["kubernetes-admin"],
            "groups": ["system:masters", "system:authenticated"],
            "extra": "",
            "authorization": "",
            "peer": ["127.0.0.1"],
        }


@pytest.mark.usefixtures("gateway")
async def test_a_websocket_goes_both_ways(api: Running) -> None:
    async with api.session.ws_connect(f"{VM}/console?mode=write", headers=SPOOFED, protocols=["v1.console"]) as socket:
        assert socket.protocol == "v1.console"
        assert json.loads(await socket.receive_str(timeout=5))["user"] == ["kubernetes-admin"]
        await socket.send_bytes(b"ls\n")
        assert await socket.receive_bytes(timeout=5) == b"echo ls\n"


@pytest.mark.usefixtures("gateway")
async def test_the_far_side_closes_with_its_own_code(api: Running) -> None:
    async with api.session.ws_connect(f"{VM}/console") as socket:
        await socket.receive_str(timeout=5)
        await socket.send_bytes(b"bye")
        assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 4001


@pytest.mark.usefixtures("gateway")
async def test_a_refused_stream_says_why(api: Running) -> None:
    path = f"{PREFIX}namespaces/default/virtualmachines/forbidden/console"
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await api.session.ws_connect(path)
    assert refusal.value.status == 403
    answer = await api.call("GET", path)
    assert (answer.code, answer.body["message"]) == (403, "no, you")


async def test_without_a_gateway_the_way_out_is_told(api: Running) -> None:
    answer = await api.call("GET", f"{VM}/metrics")
    assert (answer.code, answer.body["reason"]) == (503, "ServiceUnavailable")
    assert "hyperctl up" in text(answer.body, "message")
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await api.session.ws_connect(f"{VM}/console")
    assert refusal.value.status == 503


async def test_a_stream_needs_the_token(api: Running) -> None:
    assert (await api.call("GET", f"{VM}/metrics", Authorization="Bearer wrong")).code == 401


async def test_discovery_shows_the_streams_while_the_gateway_is_there(api: Running, tmp_path: Path) -> None:
    wanted = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

    async def groups(**headers: str) -> list[str]:
        body = (await api.call("GET", "/apis", **headers)).body
        listed = objects(items(body, "groups") or items(body, "items"))
        return [text(one, "name") or json.dumps(one["metadata"]) for one in listed]

    assert GROUP not in await groups()
    assert not any(GROUP in one for one in await groups(Accept=wanted))
    async with gateway_at(tmp_path / "gateway.sock"):
        assert GROUP in await groups()
        assert any(GROUP in one for one in await groups(Accept=wanted))
        assert (await api.call("GET", PREFIX.rstrip("/"))).body == RESOURCES
        assert (await api.call("GET", f"/apis/{GROUP}")).body["name"] == GROUP
    assert (await api.call("GET", PREFIX.rstrip("/"))).code == 404
