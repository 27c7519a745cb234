"""A real kube-apiserver hands our subresources to a gateway, with the caller's name, WebSockets included."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from hypersdk.kube.streams import stream_path
from tests.api.http import http
from tests.controlplane.api import RealApi
from tests.controlplane.certificates import Authority
from tests.controlplane.gateway import SERVER_NAME, register_gateway, unregister_gateway

GROUP = "/apis/subresources.hypersdk.io/v1alpha1"


@dataclass
class Gateway:
    """Answers what the API server asks, and remembers who came."""

    port: int = 0
    callers: list[tuple[str, str]] = field(default_factory=list)

    async def discovery(self, request: web.Request) -> web.Response:
        """What is served, which is how the API server knows that somebody is there."""
        listed = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": GROUP.removeprefix("/apis/")}
        return web.json_response({**listed, "resources": []})

    async def echo(self, request: web.Request) -> web.WebSocketResponse:
        """Say back what is said, until it is over."""
        self.callers.append((request.headers["X-Remote-User"], request.headers["X-Remote-Group"]))
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_bytes(message.data)
        return socket


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Signs the gateway's certificate."""
    return Authority.create(tmp_path, "gateway-ca")


@pytest.fixture
async def gateway(real_api: RealApi, authority: Authority) -> AsyncIterator[Gateway]:
    """A TLS server that trusts the front proxy alone."""
    serving = authority.issue("gateway", [SERVER_NAME])
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(real_api.front_proxy_ca))
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_cert_chain(serving.certificate, serving.key)
    there = Gateway()
    app = web.Application()
    app.add_routes([web.get(GROUP, there.discovery), web.get(GROUP + "/{rest:.*}", there.echo)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    there.port = runner.addresses[0][1]
    yield there
    await runner.cleanup()


@pytest.fixture
def registered(real_api: RealApi, gateway: Gateway, authority: Authority) -> Iterator[Gateway]:
    """The gateway as the API server's own."""
    yield gateway
    unregister_gateway(real_api)


async def test_a_stream_passes_the_api_server_in_the_name_of_its_caller(
    real_api: RealApi, registered: Gateway, authority: Authority
) -> None:
    await asyncio.to_thread(register_gateway, real_api, registered.port, authority.certificate)
    path = stream_path("default", "web", "console")
    async with http(real_api) as request, request.session.ws_connect(real_api.url + path) as socket:
        await socket.send_bytes(b"ls\n")
        assert (await socket.receive_bytes(timeout=10)) == b"ls\n"
    assert registered.callers == [("admin", "system:masters")]


async def test_a_user_without_the_right_does_not_reach_the_gateway(
    real_api: RealApi, registered: Gateway, authority: Authority
) -> None:
    await asyncio.to_thread(register_gateway, real_api, registered.port, authority.certificate)
    path = stream_path("default", "web", "console")
    async with http(real_api, real_api.plain_token) as request:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await request.session.ws_connect(real_api.url + path)
    assert refusal.value.status == 403
    assert registered.callers == []
