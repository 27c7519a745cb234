"""Does the controller make real guests live, through a real API, and leave them alone when it dies?"""

import hashlib
import os
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web

from controller.hypervisor.libvirt_host import open_host
from hyperctl.guest.image import build
from hypersdk.kube.client import Client
from hypersdk.model.base import JsonObject, condition
from hypersdk.model.kinds import VM_NODES
from hypersdk.model.quantity import to_bytes
from hypersdk.model.virtualmachine import Phase, VirtualMachine, VirtualMachineStatus
from hypersdk.model.vmoperation import OperationPhase
from hypersdk.settings import places
from tests.controlplane.api import Api
from tests.libvirt.conftest import Libvirtd
from tests.libvirt.controllers import NODE, Bench, ControllerProcess, bench, is_alive, until_gone

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(420)]


@pytest.fixture(scope="module")
def image() -> Path:
    """The guest image."""
    return build(places(os.environ).cache, tell=print)


@pytest.fixture
async def here(
    client: Client, namespace: str, any_api: Api, libvirtd: Libvirtd, guest_folder: Path, private_network: None
) -> AsyncIterator[Bench]:
    """A controller on the test's own libvirtd."""
    async with bench(client, namespace, ControllerProcess(any_api, libvirtd.uri, guest_folder, namespace)) as made:
        yield made


def process_is_told(vm: VirtualMachine) -> None:
    """Where it runs, as which process, since when, and that it has a screen without a TCP port."""
    status, made = vm.status, vm.metadata.creation_timestamp
    assert (status.node_name, status.observed_generation) == (NODE, vm.metadata.generation)
    assert f"guest={vm.metadata.namespace}.web" in command_line(status.qemu_pid)
    assert made is not None
    assert status.creation_timestamp == made
    assert status.start_time is not None
    assert made <= status.start_time <= datetime.now(UTC)
    assert status.vnc is not None
    assert (status.vnc.enabled, status.vnc.port, status.vnc.node_port) == (True, None, None)


def guest_is_told(status: VirtualMachineStatus) -> None:
    """What its agent says, and its addresses with their source and age."""
    assert status.guest_agent is not None
    assert (status.guest_agent.connected, status.guest_agent.hostname) == (True, "web")
    assert (status.guest_agent.version or "").startswith("7.2")
    assert status.addresses is not None
    assert [one.ip for one in status.addresses] == status.ip_addresses
    assert status.addresses[0].source == "agent"
    assert status.addresses[0].mac_address is not None
    assert status.addresses[0].last_seen is not None


def resources_are_told(status: VirtualMachineStatus) -> None:
    """What was asked for, and what is used of it."""
    assert status.resources is not None
    assert status.resources.cpu is not None
    assert status.resources.cpu.requests == 1
    assert (status.resources.cpu.usage or "").endswith("%")
    assert status.resources.memory is not None
    assert status.resources.memory.requests == "192Mi"


def command_line(pid: int | None) -> str:
    """Of a process."""
    return Path(f"/proc/{pid}/cmdline").read_text()


def measured_memory(vm: VirtualMachine) -> int:
    """Bytes that its status says it uses; 0 before that was measured."""
    memory = vm.status.resources.memory if vm.status.resources else None
    return to_bytes(memory.usage) if memory and memory.usage else 0


def sha256_of(image: Path) -> str:
    """Its digest."""
    return hashlib.sha256(image.read_bytes()).hexdigest()


@pytest.fixture
def local(here: Bench, image: Path) -> str:
    """The guest image as a file of the node."""
    return f"file://{shutil.copy(image, here.controller.images / 'demo.qcow2')}"


async def test_guest_lives_through_its_whole_life(here: Bench, local: str, libvirtd: Libvirtd) -> None:
    await here.create("web", local, cloudInit={"userData": "#cloud-config\nhostname: web\n"})
    await here.until_phase("web", Phase.RUNNING, "Running")
    await here.until(lambda: here.reason("web", "LivenessProbe") == "AgentAnswers")
    await here.until(lambda: {one.source for one in here.vm("web").status.addresses or []} == {"agent"})
    await here.until(lambda: measured_memory(here.vm("web")) > 0)
    status = here.vm("web").status
    process_is_told(here.vm("web"))
    guest_is_told(status)
    resources_are_told(status)
    assert {c.type: c.status for c in status.conditions or []} == {
        "Ready": "True",
        "AgentConnected": "True",
        "LivenessProbe": "True",
        "DiskReady": "True",
        "NetworkReady": "True",
    }

    stop = await here.operate("web", "stop")
    assert stop.phase is OperationPhase.SUCCEEDED, stop.status.message
    await here.until_phase("web", Phase.STOPPED, "Stopped")
    await until_gone(status.qemu_pid)
    assert here.vm("web").spec.running is False
    assert "PowerCut" not in {event.reason for event in await here.events()}

    start = await here.operate("web", "start")
    assert start.phase is OperationPhase.SUCCEEDED, start.status.message
    await here.until_phase("web", Phase.RUNNING, "Running")
    first = here.vm("web").status.qemu_pid

    restart = await here.operate("web", "restart", force=True)
    assert restart.phase is OperationPhase.SUCCEEDED, restart.status.message
    await here.until(lambda: here.vm("web").status.qemu_pid not in {first, None})
    await here.until(lambda: here.vm("web").status.resources is not None)

    await here.delete("web")
    assert here.controller.files() == set()
    host = await open_host(libvirtd.uri, virt_type="qemu")
    assert await host.domains() == []
    await host.close()


async def test_image_comes_once_over_http_and_a_wrong_checksum_is_refused(here: Bench, image: Path) -> None:
    asked: list[str] = []

    async def serve(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return web.FileResponse(image)

    app = web.Application()
    app.router.add_get("/demo.qcow2", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/demo.qcow2"
    good: JsonObject = {"type": "sha256", "value": sha256_of(image)}
    try:
        for name in ("one", "two"):
            await here.create(name, {"source": url, "checksum": good})
        await here.create("bad", {"source": url, "checksum": good | {"value": "0" * 64}})
        for name in ("one", "two"):
            await here.until_phase(name, Phase.RUNNING, "Running")
        await here.until_phase("bad", Phase.FAILED, "ChecksumMismatch")
    finally:
        await runner.cleanup()
    assert len(asked) == 2
    found = condition(here.vm("bad").status.conditions, "DiskReady")
    assert found is not None
    assert found.status == "False"
    assert len(list((here.controller.state / "images").glob("*.img"))) == 1


async def test_killed_controller_leaves_the_guest_alone_and_its_successor_adopts_it(here: Bench, local: str) -> None:
    await here.create("web", local)
    await here.until_phase("web", Phase.RUNNING, "Running")
    await here.until(lambda: here.reason("web", "AgentConnected") == "AgentConnected")
    pid = here.vm("web").status.qemu_pid
    await here.controller.kill()
    assert is_alive(pid)
    await here.controller.start()
    stop = await here.operate("web", "stop")
    assert stop.phase is OperationPhase.SUCCEEDED, stop.status.message
    assert (stop.status.result or {})["qemuPidBefore"] == pid


async def test_guest_that_powers_itself_off_is_told_apart_and_stays_off(
    here: Bench, local: str, client: Client
) -> None:
    poweroff = "#cloud-config\nruncmd:\n  - poweroff\n"
    await here.create("web", local, cloudInit={"userData": poweroff})
    await here.until_phase("web", Phase.STOPPED, "GuestShutdown")
    await here.controller.stop()
    await here.controller.start()
    node = await client.get(VM_NODES, "", NODE)
    assert condition(node.status.conditions, "Ready") is not None
    assert here.vm("web").phase is Phase.STOPPED
    start = await here.operate("web", "start")
    assert start.phase is OperationPhase.SUCCEEDED, start.status.message
