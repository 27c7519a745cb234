"""The gateway's other answers: discovery, logs, port-forwards, and refusals that a person can read."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Literal

import pytest

from controller.gateway.portforward import NoWay, Pipe, dial_guest, is_guest
from controller.gateway.targets import Target, lookup_in
from hypersdk.errors import ApiError, Conflict, Invalid, NotFound
from hypersdk.kube.cache import Cache
from hypersdk.kube.streams import open_stream, stream_path
from hypersdk.model.base import JsonObject
from hypersdk.model.virtualmachine import Address, VirtualMachine
from tests.unit.gateway.loopback import NODE, Lab, running
from tests.unit.gateway.scripted import UUID, ScriptedGuest, ScriptedHost

LOG = stream_path("default", "vm", "log")


async def test_discovery_lists_every_subresource(lab: Lab) -> None:
    answer = json.loads(await lab.client().raw("GET", "/apis/subresources.hypersdk.io/v1alpha1"))
    names = {resource["name"] for resource in answer["resources"]}
    subresources = ("console", "vnc", "metrics", "log", "screenshot", "portforward", "disks")
    assert names == {f"virtualmachines/{name}" for name in subresources}
    assert answer["groupVersion"] == "subresources.hypersdk.io/v1alpha1"


@pytest.mark.parametrize("path", ["/healthz", "/apis", "/apis/subresources.hypersdk.io", "/openapi/v2", "/openapi/v3"])
async def test_what_an_api_server_asks_is_answered(lab: Lab, path: str) -> None:
    assert await lab.client().raw("GET", path)


@pytest.mark.parametrize("path", ["/", "/apis/other.io/v1", stream_path("default", "vm", "log") + "/more"])
async def test_unknown_path_is_a_status(lab: Lab, path: str) -> None:
    with pytest.raises(NotFound):
        await lab.client().raw("GET", path)


async def test_vm_on_another_node_is_refused_with_its_place(lab: Lab) -> None:
    lab.targets["default", "far"] = Target("u", "node-2")
    lab.targets["default", "new"] = Target("u")
    with pytest.raises(ApiError, match="is on node node-2, and this gateway serves node node-1 only") as caught:
        await lab.client().raw("GET", stream_path("default", "far", "log"))
    assert caught.value.code == 503
    with pytest.raises(Conflict, match="is on no node yet"):
        await lab.client().raw("GET", stream_path("default", "new", "log"))


@pytest.mark.parametrize("lines", ["0", "-1", "x", "", "1e3", "10001", "٣", "9" * 5000])
async def test_senseless_number_of_lines_is_refused(lab: Lab, lines: str) -> None:
    with pytest.raises(Invalid, match="lines must be a number from 1 to 10000"):
        await lab.client().raw("GET", LOG, query=[("lines", lines)])


async def test_senseless_console_mode_is_refused(lab: Lab) -> None:
    with pytest.raises(Invalid, match="mode must be one of watch, write"):
        await lab.client().raw("GET", stream_path("default", "vm", "console"), query=[("mode", "read")])


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    """A server that stands for one in the guest: echoes, and hangs up after `bye`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
            if data.endswith(b"bye"):
                break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
async def forwarding(tmp_path: Path, guest: ScriptedGuest) -> AsyncIterator[Lab]:
    """A gateway whose guest's address is this host's loopback."""

    async def dial(addresses: Sequence[str], port: int) -> Pipe:
        assert tuple(addresses) == ("192.0.2.7",)
        return await asyncio.open_connection("127.0.0.1", port)

    async with running(tmp_path, ScriptedHost(guest), dial) as lab:
        yield lab


async def test_port_forward_carries_bytes_both_ways_until_the_guest_hangs_up(forwarding: Lab, echo: int) -> None:
    async with await open_stream(forwarding.client(), "default", "vm", "portforward", [("port", str(echo))]) as stream:
        for _ in range(16):
            await stream.send(bytes(range(256)) * 256)
        await stream.send(b"bye")
        received = b""
        async for message in stream.messages():
            assert isinstance(message, bytes)
            received += message
    assert received == bytes(range(256)) * 256 * 16 + b"bye"
    assert stream.socket.close_code == 1000


async def test_port_forward_needs_update_or_create(forwarding: Lab, echo: int) -> None:
    forwarding.rights.denied |= {("bob", "update")}
    async with await open_stream(forwarding.client("bob"), "default", "vm", "portforward", [("port", str(echo))]):
        pass
    forwarding.rights.denied |= {("bob", "create")}
    with pytest.raises(ApiError, match="cannot update virtualmachines/portforward"):
        await open_stream(forwarding.client("bob"), "default", "vm", "portforward", [("port", str(echo))])


@pytest.mark.parametrize("port", ["0", "65536", "-22", "ssh", ""])
async def test_senseless_port_is_refused(forwarding: Lab, port: str) -> None:
    with pytest.raises(Invalid, match="port must be a number from 1 to 65535"):
        await open_stream(forwarding.client(), "default", "vm", "portforward", [("port", port)])


async def test_guest_without_an_address_is_told(lab: Lab) -> None:
    lab.targets["default", "vm"] = Target(UUID, NODE)
    with pytest.raises(ApiError, match="the VM has no IP address") as caught:
        await open_stream(lab.client(), "default", "vm", "portforward", [("port", "22")])
    assert caught.value.code == 503


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "169.254.169.254", "fe80::1", "224.0.0.1", "localhost", ""],
)
async def test_address_that_leads_to_the_node_itself_is_not_dialled(address: str) -> None:
    assert not is_guest(address)
    with pytest.raises(NoWay):
        await dial_guest([address], 22)


def test_address_of_a_guest_is_dialled() -> None:
    assert is_guest("192.168.122.17")


def test_cache_is_looked_up_with_the_addresses_that_the_host_saw_first() -> None:
    metadata: JsonObject = {"name": "vm", "namespace": "default", "uid": UUID}
    vm = VirtualMachine.model_validate({"metadata": metadata, "spec": {"cpus": 1, "memory": "1Gi"}})
    told = [Address(ip="10.0.0.1", source="agent"), Address(ip="10.0.0.2", source="lease")]
    cache = Cache[VirtualMachine]()
    cache.put([vm.but(status=vm.status.but(node_name=NODE, addresses=told))])
    assert lookup_in(cache)("default", "vm") == Target(UUID, NODE, ("10.0.0.2", "10.0.0.1"))
    assert lookup_in(cache)("default", "other") is None


async def test_streams_are_limited(lab: Lab) -> None:
    client = lab.client()
    lab.streams.sockets.most_open = 1
    async with await open_stream(client, "default", "vm", "metrics"):
        with pytest.raises(ApiError, match="1 streams are open on node node-1") as caught:
            await open_stream(client, "default", "vm", "metrics")
    assert caught.value.code == 429


@pytest.mark.parametrize("now", [Target(UUID, "node-2"), None], ids=["moved", "deleted"])
@pytest.mark.parametrize("what", ["metrics", "log"])
async def test_stream_of_a_vm_that_leaves_is_ended(
    lab: Lab, what: Literal["metrics", "log"], now: Target | None
) -> None:
    stream = await open_stream(lab.client(), "default", "vm", what)
    lab.streams.residents.changed([("default", "vm")])  # it is here still
    lab.targets.pop(("default", "vm"))
    if now is not None:
        lab.targets["default", "vm"] = now
    lab.streams.residents.changed([("default", "vm")])
    async for _ in stream.messages():
        pass
    assert stream.socket.close_code == 1000


async def test_end_of_the_controller_is_a_goodbye(tmp_path: Path, guest: ScriptedGuest) -> None:
    async with running(tmp_path, ScriptedHost(guest)) as lab:
        stream = await open_stream(lab.client(), "default", "vm", "metrics")
        await lab.streams.close()
        assert [message async for message in stream.messages()] == []
    assert stream.socket.close_code == 1001
