"""Consoles and metrics through a real kube-apiserver: its aggregation, its RBAC, its request timeout."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from controller.gateway.access import ReviewedAccess
from controller.gateway.consoles import Consoles
from controller.gateway.sampler import Sampler
from controller.gateway.server import Gateway, TlsListener
from controller.gateway.streams import Streams
from controller.gateway.targets import Target
from controller.hypervisor.readings import DomainStats
from hypersdk.data import data_folder
from hypersdk.errors import ApiError, Forbidden, NotFound
from hypersdk.kube.client import Client
from hypersdk.kube.endpoint import Endpoint, connect
from hypersdk.kube.streams import (
    Mode,
    Stream,
    SubResource,
    metrics,
    open_console,
    open_log,
    open_stream,
    stream_path,
)
from hypersdk.model.base import JsonObject
from hypersdk.model.metrics import Sample
from tests.controlplane.api import RealApi
from tests.controlplane.build import Binaries
from tests.controlplane.certificates import Authority
from tests.controlplane.gateway import SERVER_NAME, register_gateway, unregister_gateway
from tests.controlplane.server import ControlPlane
from tests.unit.gateway.loopback import NODE, Screen, background
from tests.unit.gateway.scripted import UUID, ScriptedGuest, ScriptedHost

pytestmark = [pytest.mark.kube, pytest.mark.timeout(90), pytest.mark.asyncio(loop_scope="module")]
REQUEST_TIMEOUT_S = 4.0
FLOW = "40-stream-flow.yaml"
MODES: tuple[Mode, ...] = ("watch", "write")


class Hasty(ControlPlane):
    """A kube-apiserver whose requests may last some seconds only, so that a test can outlast that."""

    def _flags(self) -> list[str]:
        return [*super()._flags(), f"--request-timeout={REQUEST_TIMEOUT_S:.0f}s"]


@dataclass(frozen=True)
class Cluster:
    """A kube-apiserver with our gateway behind it, and who signs in."""

    api: RealApi
    host: ScriptedHost
    guest: ScriptedGuest
    consoles: Consoles
    sampler: Sampler
    admin: Client
    plain: Client
    """Has no rights but those that a test grants."""

    async def grant(self, *verbs: str, what: SubResource = "console") -> None:
        """Let `plain` do that with this subresource, and nothing else; without verbs, nothing at all."""
        rule: JsonObject = {
            "apiGroups": ["subresources.hypersdk.io"],
            "resources": [f"virtualmachines/{what}"],
            "verbs": list(verbs) or ["none"],
        }
        rbac = "rbac.authorization.k8s.io"
        role: JsonObject = {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": {"name": "consoles"}}
        binding: JsonObject = {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "consoles"},
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "consoles"},
            "subjects": [{"apiGroup": rbac, "kind": "User", "name": "plain"}],
        }
        for manifest in (role | {"rules": [rule]}, binding):
            await asyncio.to_thread(self.api.kubectl("default").apply, manifest)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory, binaries_of_kubernetes: Binaries) -> AsyncIterator[Cluster]:
    """A kube-apiserver of this module's own, with one guest behind our gateway."""
    folder = tmp_path_factory.mktemp("streams")
    server = Hasty(folder, binaries_of_kubernetes)
    await asyncio.to_thread(server.start)
    try:
        async with _registered(server.api, folder) as cluster:
            yield cluster
    finally:
        await asyncio.to_thread(server.stop)


@asynccontextmanager
async def _registered(api: RealApi, folder: Path) -> AsyncIterator[Cluster]:
    authority = Authority.create(folder, "gateway-ca")
    serving = authority.issue("gateway", [SERVER_NAME])
    guest = ScriptedGuest(folder / "serial.log")
    host = ScriptedHost(guest)
    admin, plain = Client(await connect(api.endpoint)), Client(await connect(Endpoint(str(api.kubeconfig), "plain")))
    consoles, sampler = Consoles(host), Sampler(host, interval_s=0.2)
    streams = Streams(
        NODE,
        _lookup,
        host,
        consoles,
        sampler,
        ReviewedAccess(admin, remember_s=0),
        frozenset({api.front_proxy_name}),
    )
    listener = TlsListener("127.0.0.1", 0, serving.certificate, serving.key, api.front_proxy_ca)
    gateway = Gateway(streams, [listener])
    async with background(consoles.run, sampler.run, gateway.run):
        await gateway.ready.wait()
        await asyncio.to_thread(api.kubectl(), "apply", "-f", data_folder("deploy") / "manifests" / FLOW)
        await asyncio.to_thread(register_gateway, api, gateway.ports[0], authority.certificate)
        yield Cluster(api, host, guest, consoles, sampler, admin, plain)
        await asyncio.to_thread(unregister_gateway, api)
        await admin.close()
        await plain.close()


def _lookup(namespace: str, name: str) -> Target | None:
    return Target(UUID, NODE) if (namespace, name) == ("default", "vm") else None


@pytest.fixture
def guest(cluster: Cluster) -> Iterator[ScriptedGuest]:
    """The guest, off and with nothing typed."""
    cluster.guest.typed = b""
    yield cluster.guest
    cluster.guest.power_off()


async def _boot(cluster: Cluster) -> None:
    cluster.guest.power_on()
    await cluster.consoles.attach(UUID, str(cluster.guest.log))
    cluster.guest.say(b"login: ")


async def test_guest_is_read_and_typed_into_through_the_api_server(cluster: Cluster, guest: ScriptedGuest) -> None:
    await _boot(cluster)
    async with await open_console(cluster.admin, "default", "vm") as stream:
        screen = await Screen(stream).shows(b"login: ")
        assert (screen.state.writer, screen.state.writable) == ("admin", True)
        await stream.send(b"root\n")
        await guest.has_typed(b"root\n")
        guest.say(b"root\r\n# ")
        await screen.shows(b"# ")


async def test_stream_outlives_the_api_servers_request_timeout(cluster: Cluster, guest: ScriptedGuest) -> None:
    await _boot(cluster)
    async with await open_console(cluster.admin, "default", "vm") as stream:
        screen = await Screen(stream).shows(b"login: ")
        receiving = asyncio.ensure_future(stream.socket.receive())
        done, _ = await asyncio.wait({receiving}, timeout=REQUEST_TIMEOUT_S * 2)
        assert not done
        await stream.send(b"still here\n")
        await guest.has_typed(b"still here\n")
        guest.say(b"yes")
        assert (await receiving).data == b"yes"
        assert screen.state.writable


async def test_metrics_pass_the_api_server(cluster: Cluster, guest: ScriptedGuest) -> None:
    cluster.host.counters[UUID] = DomainStats(memory_used_bytes=42)
    async with await open_stream(cluster.admin, "default", "vm", "metrics") as stream:
        assert Sample.model_validate_json(await anext(stream.messages())).memory_used_bytes == 42
    answered = await metrics(cluster.admin, "default", "vm")
    assert answered.samples[-1].memory_used_bytes == 42


async def test_user_without_rights_is_refused(cluster: Cluster, guest: ScriptedGuest) -> None:
    await cluster.grant()
    for mode in MODES:
        with pytest.raises(Forbidden, match="plain"):
            await open_console(cluster.plain, "default", "vm", mode)


async def test_user_who_may_read_may_not_write(cluster: Cluster, guest: ScriptedGuest) -> None:
    await _boot(cluster)
    await cluster.grant("get")
    async with await _granted(cluster, "watch") as stream:
        screen = await Screen(stream).shows(b"login: ")
        await stream.control({"type": "take"})
        await stream.send(b"evil\n")
        guest.say(b"password: ")
        await screen.shows(b"password: ")
        assert not screen.state.writable
    with pytest.raises(Forbidden, match='user "plain" cannot update virtualmachines/console of "vm"'):
        await open_console(cluster.plain, "default", "vm", "write")
    assert guest.typed == b""


READABLE: tuple[SubResource, ...] = ("console", "log", "metrics", "screenshot")


@pytest.mark.parametrize("what", READABLE)
async def test_each_subresource_is_a_right_of_its_own(
    cluster: Cluster, guest: ScriptedGuest, what: SubResource
) -> None:
    await cluster.grant("get", what=what)
    path = {name: stream_path("default", "vm", name) for name in READABLE}
    await _until_granted(cluster, path[what])
    for other in READABLE:
        if other != what:
            with pytest.raises(Forbidden, match="plain"):
                await cluster.plain.raw("GET", path[other])


async def test_take_over_is_asked_and_answered_through_the_api_server(cluster: Cluster, guest: ScriptedGuest) -> None:
    await _boot(cluster)
    await cluster.grant("get", "update")
    async with (
        await open_console(cluster.admin, "default", "vm") as first,
        await _granted(cluster, "write") as second,
    ):
        admin = await Screen(first).until(lambda screen: screen.state.watchers == 2)
        await second.control({"type": "take"})
        await admin.until(lambda screen: screen.state.asked and screen.state.asker == "plain")
        await first.control({"type": "keep"})
        plain = await Screen(second).until(lambda screen: screen.state.refused)
        await second.control({"type": "take"})
        await admin.until(lambda screen: screen.state.asked)
        await first.control({"type": "give"})
        await plain.until(lambda screen: screen.state.writable)


async def test_log_is_followed_through_the_api_server(cluster: Cluster, guest: ScriptedGuest, tmp_path: Path) -> None:
    cluster.host.qemu_log = tmp_path / "qemu.log"
    cluster.host.qemu_log.write_text("one\n")
    async with await open_log(cluster.admin, "default", "vm") as stream:
        messages = stream.messages()
        assert await anext(messages) == "one\n"
        cluster.host.qemu_log.write_text("one\ntwo\n")
        assert await anext(messages) == "two\n"


async def test_user_who_may_write_writes(cluster: Cluster, guest: ScriptedGuest) -> None:
    await _boot(cluster)
    await cluster.grant("get", "update")
    async with await _granted(cluster, "write") as stream:
        await Screen(stream).until(lambda screen: screen.state.writer == "plain")
        await stream.send(b"root\n")
        await guest.has_typed(b"root\n")


async def test_open_streams_hold_no_seat_of_the_api_server(cluster: Cluster, guest: ScriptedGuest) -> None:
    await cluster.grant("get", "update")
    async with await _granted(cluster, "write") as stream:
        await Screen(stream).says("VM is stopped")
        figures = (await cluster.admin.raw("GET", "/metrics")).decode()
    seats = re.findall(r'^apiserver_flowcontrol_current_executing_seats\{.*level="(\S+)"\} (\d+)', figures, re.M)
    assert {level: int(count) for level, count in seats if level != "exempt" and count != "0"} == {}


async def test_refusals_of_the_gateway_pass_the_api_server(cluster: Cluster) -> None:
    with pytest.raises(NotFound, match='"none" not found'):
        await open_console(cluster.admin, "default", "none")
    with pytest.raises(ApiError, match="port must be a number"):
        await cluster.admin.raw("GET", stream_path("default", "vm", "portforward"), query=[("port", "0")])


async def test_kubectl_lists_and_reads_the_streams(cluster: Cluster, guest: ScriptedGuest) -> None:
    await _boot(cluster)
    kubectl = cluster.api.kubectl("default")
    async with await open_console(cluster.admin, "default", "vm") as stream:
        await Screen(stream).shows(b"login: ")
    history = await asyncio.to_thread(kubectl, "get", "--raw", stream_path("default", "vm", "console"))
    assert history.endswith("login: ")
    assert await asyncio.to_thread(kubectl, "get", "virtualmachines") == ""  # discovery is whole


async def _until_granted(cluster: Cluster, path: str) -> None:
    """Wait until the API server knows of the right that was just granted."""
    async with asyncio.timeout(10):
        while True:
            try:
                await cluster.plain.raw("GET", path)
            except Forbidden:
                continue  # each attempt is a round trip: no busy loop
            return


async def _granted(cluster: Cluster, mode: Mode) -> Stream:
    """The console as `plain`, once the API server knows of the right that was just granted."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await open_console(cluster.plain, "default", "vm", mode)
            except Forbidden:
                continue  # each attempt is a round trip: no busy loop
