"""Two gateways on loopback: a VM of the other node is reached through either, and nobody goes round in circles."""

import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from controller.gateway.access import Caller
from controller.gateway.consoles import Consoles
from controller.gateway.hop import HOPPED, Addresses, Hop, PeerTls, hop_of, trusted_names
from controller.gateway.sampler import Sampler
from controller.gateway.server import Gateway, TlsListener, UnixListener
from controller.gateway.streams import Streams
from controller.gateway.targets import Target
from controller.hypervisor.fake import HOST
from controller.hypervisor.readings import DomainStats
from controller.node.vmnode import Survey, node_status
from controller.settings import Settings, Tls, parser, settings_of
from hypersdk.errors import ApiError, Forbidden, NotFound, Unreachable
from hypersdk.kube.client import Client
from hypersdk.kube.streams import metrics, open_console, stream_path
from hypersdk.model.kinds import Kind
from hypersdk.model.vmnode import VMNode, VMNodeStatus
from tests.controlplane.certificates import Authority
from tests.unit.gateway.loopback import FrontProxy, Rights, Screen, background
from tests.unit.gateway.scripted import UUID, ScriptedGuest, ScriptedHost

NAME = "gateways.example"
TARGETS = {name: Target(UUID, node) for name, node in (("near", "node-1"), ("far", "node-2"), ("lost", "node-3"))}


class Elsewhere(dict[str, str]):
    """Where the gateways are."""

    async def __call__(self, node: str) -> str:
        if node == "node-3":
            raise NotFound("no such node", 404, "NotFound")
        return self.get(node, "")


@dataclass
class Node:
    """One node's gateway."""

    host: ScriptedHost
    guest: ScriptedGuest
    consoles: Consoles
    rights: Rights
    streams: Streams
    gateway: Gateway
    socket: Path


@dataclass
class Pair:
    """Two nodes, and a client of the first one."""

    near: Node
    far: Node
    client: Client
    addresses: Elsewhere
    tls: PeerTls
    strangers: Authority


def _node(folder: Path, name: str, tls: PeerTls, addresses: Elsewhere, front: Authority) -> Node:
    guest = ScriptedGuest(folder / f"{name}.log")
    host, rights = ScriptedHost(guest), Rights()
    consoles, sampler = Consoles(host), Sampler(host)
    targets = TARGETS if name == "node-1" else {**TARGETS, "near": Target(UUID, "node-1")}
    streams = Streams(
        name,
        lambda namespace, vm: targets.get(vm),
        host,
        consoles,
        sampler,
        rights,
        frozenset({"front-proxy", NAME}),
        hop=Hop(name, addresses, tls),
    )
    listener = TlsListener("127.0.0.1", 0, tls.certificate, tls.key, front.certificate, tls.authority)
    socket = folder / f"{name}.sock"
    return Node(host, guest, consoles, rights, streams, Gateway(streams, [listener, UnixListener(socket)]), socket)


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    """Two gateways that know each other."""
    peers, front = Authority.create(tmp_path, "peers"), Authority.create(tmp_path, "front")
    own = peers.issue_for_both(NAME)
    tls, addresses = PeerTls(own.certificate, own.key, peers.certificate, NAME), Elsewhere()
    near, far = (_node(tmp_path, name, tls, addresses, front) for name in ("node-1", "node-2"))
    async with background(near.consoles.run, near.gateway.run, far.consoles.run, far.gateway.run):
        for node, name in ((near, "node-1"), (far, "node-2")):
            await node.gateway.ready.wait()
            addresses[name] = f"127.0.0.1:{node.gateway.ports[0]}"
        client = Client(FrontProxy(near.socket, "alice"))
        yield Pair(near, far, client, addresses, tls, front)
        await client.close()


async def test_console_of_another_node_is_read_and_typed_into(pair: Pair) -> None:
    pair.far.guest.power_on()
    await pair.far.consoles.attach(UUID, str(pair.far.guest.log))
    pair.far.guest.say(b"login: ")
    async with await open_console(pair.client, "default", "far") as stream:
        screen = await Screen(stream).shows(b"login: ")
        assert (screen.state.writer, screen.state.writable) == ("alice", True)
        await stream.send(b"root\n")
        await pair.far.guest.has_typed(b"root\n")
        await pair.far.consoles.detach(UUID)
        await screen.end()
    assert stream.socket.close_code == 1000
    # Both have asked for the right, in the caller's own name.
    alice = Caller("alice", ("system:authenticated",))
    assert {caller for caller, _ in [*pair.near.rights.asked, *pair.far.rights.asked]} == {alice}


async def test_plain_answers_come_over_too(pair: Pair) -> None:
    pair.far.host.counters[UUID] = DomainStats(memory_used_bytes=42)
    await pair.far.streams.sampler.tick()
    assert (await metrics(pair.client, "default", "far")).samples[0].memory_used_bytes == 42
    assert await pair.client.raw("GET", stream_path("default", "far", "screenshot")) == pair.far.host.screen


async def test_right_is_checked_before_and_after_the_way(pair: Pair) -> None:
    pair.far.rights.denied.add(("alice", "update"))
    with pytest.raises(Forbidden, match='user "alice" cannot update virtualmachines/console of "far"'):
        await open_console(pair.client, "default", "far")
    pair.near.rights.denied.add(("alice", "get"))
    asked = len(pair.far.rights.asked)
    with pytest.raises(Forbidden):
        await pair.client.raw("GET", stream_path("default", "far", "log"))
    assert len(pair.far.rights.asked) == asked


async def test_nobody_is_sent_round_in_circles(pair: Pair) -> None:
    pair.far.streams._door = pair.near.streams._door
    pair.far.streams.node_name = "node-2b"  # what both have heard of the VM's place is out of date
    with pytest.raises(ApiError, match="node node-1 sends this here: VM default/far is on node node-2") as caught:
        await pair.client.raw("GET", stream_path("default", "far", "metrics"))
    assert caught.value.code == 503


@pytest.mark.parametrize(
    ("vm", "address", "words"),
    [
        ("far", "", "is on node node-2, and this gateway serves node node-1 only"),
        ("far", "127.0.0.1:1", "the gateway of node node-2 at 127.0.0.1:1 does not answer"),
        ("lost", "", "the address of node node-3 cannot be found out: no such node"),
    ],
)
async def test_node_that_cannot_be_reached_is_named(pair: Pair, vm: str, address: str, words: str) -> None:
    pair.addresses["node-2"] = address
    for attempt in (metrics, open_console):
        with pytest.raises(ApiError, match=words) as caught:
            await attempt(pair.client, "default", vm)
        assert caught.value.code == 503


async def test_gateway_that_shows_another_authoritys_certificate_is_not_believed(pair: Pair) -> None:
    stranger = pair.strangers.issue_for_both(NAME)
    impostor = PeerTls(stranger.certificate, stranger.key, pair.strangers.certificate, NAME)
    assert pair.near.streams.hop is not None
    pair.near.streams.hop = Hop(
        "node-1", pair.addresses, PeerTls(pair.tls.certificate, pair.tls.key, impostor.authority, NAME)
    )
    with pytest.raises(ApiError, match=r"does not answer.*[Cc]ertificate"):
        await metrics(pair.client, "default", "far")
    await pair.near.streams.hop.close()


async def test_hop_needs_a_certificate_of_a_gateway(pair: Pair) -> None:
    address = pair.addresses["node-2"]
    headers = {"X-Remote-User": "alice", HOPPED: "node-1"}
    context = ssl.create_default_context(cafile=str(pair.tls.authority))
    async with aiohttp.ClientSession() as session:
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await session.get(f"https://{address}/healthz", headers=headers, ssl=context, server_hostname=NAME)


@dataclass
class Nodes(Client):
    """An API that has one VMNode, and counts who asks."""

    address: str | None = "h:1"
    asked: int = 0

    def __init__(self) -> None:
        pass

    async def get(  # type: ignore[override]
        self, kind: Kind[VMNode], namespace: str, name: str
    ) -> VMNode:
        self.asked += 1
        return VMNode.model_validate({"metadata": {"name": name}, "status": {"gatewayAddress": self.address}})


async def test_address_is_asked_for_now_and_then() -> None:
    nodes, now = Nodes(), [0.0]
    addresses = Addresses(nodes, lambda: now[0])
    assert [await addresses("node-2") for _ in range(3)] == ["h:1"] * 3
    assert nodes.asked == 1
    now[0], nodes.address = 11.0, None
    assert await addresses("node-2") == ""


def test_names_that_may_speak_for_callers(tmp_path: Path) -> None:
    tls = Tls("h", 1, tmp_path, tmp_path, tmp_path, ("front-proxy",), peer_ca=tmp_path, peer_name="g")
    assert trusted_names(tls) == {"front-proxy", "g"}
    assert trusted_names(None) == frozenset()
    assert trusted_names(Tls("h", 1, tmp_path, tmp_path, tmp_path, (), peer_ca=tmp_path)) == frozenset()
    assert trusted_names(Tls("h", 1, tmp_path, tmp_path, tmp_path, ("front-proxy",))) == {"front-proxy"}


async def test_end_of_the_other_gateway_makes_a_client_come_back(pair: Pair) -> None:
    pair.far.guest.power_on()
    await pair.far.consoles.attach(UUID, str(pair.far.guest.log))
    async with await open_console(pair.client, "default", "far") as stream:
        screen = await Screen(stream).until(lambda screen: screen.state.writable)
        assert pair.near.streams.hop is not None
        await pair.near.streams.hop.close()  # as when the link between them is cut
        with pytest.raises(Unreachable, match="broke off"):
            await screen.end()


TLS_WORDS = ["--gateway-tls", ":8443", "--tls-cert", "c", "--tls-key", "k", "--client-ca", "a"]


def _settings(*words: str) -> Settings:
    return settings_of(parser().parse_args(["--node-name", "n", "--state", "/s", *TLS_WORDS, *words]))


def test_command_line_makes_the_way_and_the_node_tells_it() -> None:
    settings = _settings("--peer-ca", "p", "--gateway-advertise", "n1.example:8443")
    hop = hop_of(settings, Nodes())
    assert hop is not None
    assert hop.tls == PeerTls(Path("c"), Path("k"), Path("p"), "hypersdk-gateway.hypersdk-system.svc")
    status = node_status(VMNodeStatus(), Survey(HOST), [], settings, datetime.now(UTC))
    assert status.gateway_address == "n1.example:8443"


def test_without_an_authority_of_gateways_there_is_no_way() -> None:
    assert hop_of(_settings(), Nodes()) is None
