"""What a person reads of a connection that failed: what happened, in few words."""

import socket
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from hypersdk.errors import ConfigError, Unreachable
from hypersdk.kube.causes import cause
from hypersdk.kube.client import Client
from hypersdk.kube.endpoint import Endpoint, connect
from hypersdk.model.kinds import VIRTUAL_MACHINES
from tests.unit.kube.scripted import scripted


def _kubeconfig(folder: Path, server: str, user: str) -> Endpoint:
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(
        "{apiVersion: v1, kind: Config, current-context: c, users: [{name: u, user: {token: t}}], "
        f"clusters: [{{name: c, cluster: {{server: '{server}'}}}}], "
        f"contexts: [{{name: c, context: {{cluster: c, user: '{user}'}}}}]}}"
    )
    return Endpoint(str(kubeconfig))


async def _words(folder: Path, server: str) -> str:
    client = Client(await connect(_kubeconfig(folder, server, "u")))
    try:
        with pytest.raises(Unreachable) as refused:
            await client.list(VIRTUAL_MACHINES)
    finally:
        await client.close()
    return str(refused.value)


async def test_nobody_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert await _words(tmp_path, f"http://127.0.0.1:{port}") == (
        f"no answer from http://127.0.0.1:{port}: connection refused"
    )


def test_name_that_nobody_knows() -> None:
    unknown = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    assert cause(aiohttp.ClientConnectorDNSError(None, unknown)) == "name or service not known"  # type: ignore[arg-type]


async def test_other_end_is_no_tls_server(tmp_path: Path) -> None:
    async with scripted(tmp_path, _break) as (_, client):
        words = await _words(tmp_path, client.connection.host.replace("http://", "https://"))
        assert "SSL" in words


async def test_answer_that_is_cut(tmp_path: Path) -> None:
    async with scripted(tmp_path, _break) as (_, client):
        with pytest.raises(Unreachable) as refused:
            await client.list(VIRTUAL_MACHINES)
        assert str(refused.value) == f"the answer of {client.connection.host} broke off: it was closed"


async def test_context_without_a_user_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the context c cannot be used: it needs a cluster and a user"):
        await connect(_kubeconfig(tmp_path, "https://127.0.0.1:6443", ""))


async def _break(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b'{"kind": ')
    assert request.transport is not None
    request.transport.abort()
    return response
