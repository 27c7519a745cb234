"""Another node's controller is let in by its certificate, for a VM that is on its way here, and to its sockets only."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from controller.gateway.answers import as_status
from controller.gateway.hop import PeerTls
from controller.gateway.migrations import Migrations
from controller.gateway.peers import GatewayPeers, address
from controller.gateway.server import TlsListener
from controller.node.migration.messages import Arrival, Lodging, Luggage, Saying
from hypersdk.errors import Terminal, Transient
from hypersdk.kube.client import Client
from hypersdk.model.base import JsonObject, rfc3339
from hypersdk.model.kinds import VIRTUAL_MACHINES, VM_OPERATIONS
from hypersdk.model.virtualmachine import VirtualMachine
from tests.controlplane.certificates import Authority
from tests.flow.api import MemoryApi

NAME = "gateways.example"
KEY = ("default", "web")


@dataclass
class Host:
    """What was asked of the node."""

    asked: list[str] = field(default_factory=list)
    socket: Path = Path()
    error: Exception | None = None

    async def prepare(self, vm: VirtualMachine, luggage: Luggage) -> Lodging:
        self.asked.append("prepare")
        if self.error is not None:
            raise self.error
        return Lodging(running_hash="abc")

    async def settle(self, vm: VirtualMachine) -> None:
        self.asked.append("settle")

    async def state(self, vm: VirtualMachine) -> Arrival:
        return Arrival(state="arrived")

    async def say(self, vm: VirtualMachine, said: Saying) -> None:
        self.asked.append(said.console)

    async def run(self, vm: VirtualMachine) -> None:
        self.asked.append("run")

    async def discard(self, uid: str) -> None:
        self.asked.append("discard")

    async def connect(self, vm: VirtualMachine, socket: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self.asked.append(socket)
        return await asyncio.open_unix_connection(self.socket)


@dataclass
class Far:
    """The other node, and the way to it."""

    host: Host
    client: Client
    peers: GatewayPeers
    port: int
    front: Authority
    gateways: Authority


@pytest.fixture
async def far(tmp_path: Path) -> AsyncIterator[Far]:
    """node-2, to which the operation `move` brings the VM from node-1."""
    gateways, front = Authority.create(tmp_path, "gateways"), Authority.create(tmp_path, "front")
    own = gateways.issue_for_both(NAME)
    client = Client(MemoryApi(lambda: rfc3339(datetime.now(UTC))))
    await _objects(client)
    host = Host()
    app = web.Application(middlewares=[as_status])
    app.add_routes(Migrations("node-2", client, host, NAME).routes())
    runner = web.AppRunner(app)
    await runner.setup()
    sockets, context = TlsListener(
        "127.0.0.1", 0, own.certificate, own.key, front.certificate, gateways.certificate
    ).sockets()
    await web.SockSite(runner, sockets[0], ssl_context=context).start()
    port = sockets[0].getsockname()[1]
    peers = GatewayPeers("node-1", _at(port), PeerTls(own.certificate, own.key, gateways.certificate, NAME))
    yield Far(host, client, peers, port, front, gateways)
    await peers.close()
    await runner.cleanup()


def _at(port: int) -> Callable[[str], Awaitable[str]]:
    async def address_of(node: str) -> str:
        return f"127.0.0.1:{port}"

    return address_of


async def _objects(client: Client) -> None:
    spec: JsonObject = {"cpus": 1, "memory": "1Gi"}
    await client.create(VIRTUAL_MACHINES, "default", {"metadata": {"name": "web"}, "spec": spec})
    await client.patch(VIRTUAL_MACHINES, "default", "web", {"status": {"nodeName": "node-1"}}, subresource="status")
    move: JsonObject = {"vmRef": {"name": "web"}, "operation": "migrate", "migrateSpec": {}}
    await client.create(VM_OPERATIONS, "default", {"metadata": {"name": "move"}, "spec": move})
    stop: JsonObject = {"vmRef": {"name": "web"}, "operation": "stop"}
    await client.create(VM_OPERATIONS, "default", {"metadata": {"name": "stop"}, "spec": stop})
    await _status(client, {"phase": "Running", "result": {"targetNode": "node-2"}})


async def _status(client: Client, status: JsonObject, name: str = "move") -> None:
    await client.patch(VM_OPERATIONS, "default", name, {"status": status}, subresource="status")


def luggage(**changes: str) -> JsonObject:
    whole = {"operation": "move", "source": "node-1", "folder": "/run/x", "power": "on"} | changes
    return Luggage.model_validate(whole | {"live": True}).wire()


async def test_a_controller_asks_and_is_answered(far: Far) -> None:
    assert (await far.peers.ask("node-2", KEY, "prepare", luggage()))["runningHash"] == "abc"
    assert await far.peers.ask("node-2", KEY, "state", {"operation": "move"}) == {"state": "arrived"}
    await far.peers.ask("node-2", KEY, "discard", {"operation": "move"})
    assert far.host.asked == ["prepare", "discard"]


async def test_a_no_for_good_comes_over_as_one(far: Far) -> None:
    far.host.error = Terminal("NetworkDiffers", "no such bridge")
    with pytest.raises(Terminal, match="node node-2: no such bridge") as refused:
        await far.peers.ask("node-2", KEY, "prepare", luggage())
    assert refused.value.reason == "NetworkDiffers"


@pytest.mark.parametrize("signer", ["front", "none"])
async def test_nobody_else_is_let_in(far: Far, signer: str, tmp_path: Path) -> None:
    """Neither a front proxy, which speaks for people, nor who shows no certificate."""
    context = ssl.create_default_context(cafile=far.gateways.certificate)
    if signer == "front":
        proxy = far.front.issue("front-proxy")
        context.load_cert_chain(proxy.certificate, proxy.key)
    url = address(f"127.0.0.1:{far.port}", KEY, "prepare")
    async with aiohttp.ClientSession() as session:
        try:
            async with session.post(url, json=luggage(), ssl=context, server_hostname=NAME) as answer:
                assert answer.status == 401
        except aiohttp.ClientError:
            assert signer == "none"
    assert far.host.asked == []


@pytest.mark.parametrize(
    ("status", "operation"),
    [
        ({"phase": "Running", "result": {"targetNode": "node-3"}}, "move"),
        ({"phase": "Succeeded", "result": {"targetNode": "node-2"}}, "move"),
        ({"phase": "Running", "result": {"targetNode": "node-2"}}, "stop"),
        ({"phase": "Running", "result": {"targetNode": "node-2"}}, "nothing"),
    ],
    ids=["to another node", "is over", "is no move", "does not exist"],
)
@pytest.mark.parametrize("what", ["prepare", "discard", "stream"])
async def test_only_for_an_operation_that_brings_it_here(
    far: Far, status: JsonObject, operation: str, what: str
) -> None:
    await _status(far.client, status)
    body: JsonObject = luggage(operation=operation) if what == "prepare" else {"operation": operation}
    asking = _carried(far, operation, "memory") if what == "stream" else far.peers.ask("node-2", KEY, what, body)
    with pytest.raises(Transient):
        await asking
    assert far.host.asked == []


async def test_run_and_discard_go_by_who_owns_it(far: Far) -> None:
    with pytest.raises(Transient, match="is not node node-2's"):
        await far.peers.ask("node-2", KEY, "run", {"operation": "move"})
    owned: JsonObject = {"status": {"nodeName": "node-2"}}
    await far.client.patch(VIRTUAL_MACHINES, *KEY, owned, subresource="status")
    with pytest.raises(Transient, match="is node node-2's"):
        await far.peers.ask("node-2", KEY, "discard", {"operation": "move"})
    await far.peers.ask("node-2", KEY, "run", {"operation": "move"})
    assert far.host.asked == ["run"]


@pytest.mark.parametrize("name", ["../libvirt", "qemu", "copy-", "memory.sock", ""])
async def test_only_to_the_sockets_of_a_move(far: Far, name: str) -> None:
    with pytest.raises(Transient):
        await _carried(far, "move", name)
    assert far.host.asked == []


async def test_bytes_are_carried_both_ways_and_their_end_too(far: Far, tmp_path: Path) -> None:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readexactly(5)).upper() + b"x" * 300_000)
        await writer.drain()
        writer.close()

    far.host.socket = tmp_path / "there"
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await far.peers.carry("node-2", KEY, "move", "copy-0", (reader, writer))
        done.set_result(None)

    async with (
        await asyncio.start_unix_server(shout, far.host.socket),
        await asyncio.start_unix_server(carry, tmp_path / "here"),
    ):
        reader, writer = await asyncio.open_unix_connection(tmp_path / "here")
        writer.write(b"hello")
        assert await reader.read() == b"HELLO" + b"x" * 300_000
        await done
        writer.close()
    assert far.host.asked == ["copy-0"]


async def _carried(far: Far, operation: str, name: str) -> None:
    """A connection with nobody at its other end."""
    one, other = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=one)
    try:
        await far.peers.carry("node-2", KEY, operation, name, (reader, writer))
    finally:
        writer.close()
        await writer.wait_closed()
        other.close()
