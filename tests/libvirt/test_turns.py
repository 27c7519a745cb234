"""Is each turn of a real guest told apart: paused, its disk full, rebooted, reset, crashed, killed, powered off?"""

import asyncio
import os
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hyperctl.stack.virsh import virsh
from hypersdk.kube.client import Client
from hypersdk.model.base import condition
from hypersdk.model.kinds import VIRTUAL_MACHINES
from hypersdk.model.virtualmachine import Phase, VirtualMachine
from hypersdk.model.vmoperation import OperationPhase, VMOperation
from tests.controlplane.api import Api
from tests.libvirt.benches import lone_bench
from tests.libvirt.conftest import Libvirtd, served
from tests.libvirt.controllers import Bench, ControllerProcess, bench, until_gone
from tests.libvirt.keysector import READY, WRITTEN, press, until_said, write_key_disk

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(240)]
NAME = "keys"


@pytest.fixture
def small_pool() -> Iterator[Path]:
    """A file system with room for little more than the beginning of a disk."""
    folder = Path(tempfile.mkdtemp(prefix="hp"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=755", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    folder.rmdir()


@dataclass
class Story:
    """One guest that obeys keys, and what is seen of it."""

    bench: Bench
    uri: str

    @property
    def vm(self) -> VirtualMachine:
        """The VM as the API has it."""
        return self.bench.vm(NAME)

    @property
    def message(self) -> str:
        """What its Ready condition says."""
        found = condition(self.vm.status.conditions, "Ready")
        return (found.message or "") if found else ""

    async def begin(self, **spec: object) -> None:
        """Create it, and wait until it reads its keyboard."""
        image = write_key_disk(self.bench.controller.images / "keys.raw")
        small = {"memory": "32Mi", "guestAgent": {"enabled": False}}
        await self.bench.create(NAME, f"file://{image}", **small, **spec)  # type: ignore[arg-type]
        await self.reaches(Phase.RUNNING, "Running")
        await self.says(READY)

    async def reaches(self, phase: Phase, reason: str) -> None:
        """Wait for the phase and its reason."""
        await self.bench.until_phase(NAME, phase, reason)

    async def does(self, operation: str, *, force: bool = False) -> VMOperation:
        """Do an operation, and see that it came about."""
        op = await self.bench.operate(NAME, operation, force=force)
        assert op.phase is OperationPhase.SUCCEEDED, op.status.message
        return op

    async def key(self, key: str) -> None:
        """Press a key of the guest."""
        await press(self.uri, self.vm.metadata.uid, key)

    async def says(self, text: bytes, times: int = 1) -> None:
        """Wait until it has said that so often, since its serial port was first read."""
        log = self.bench.controller.state / "consoles" / self.vm.metadata.uid / "serial.log"
        await until_said(self.uri, self.vm.metadata.uid, log, text, times)

    async def virsh(self, command: str) -> str:
        """Do something to it behind the controller's back."""
        return await asyncio.to_thread(virsh, self.uri, command, self.vm.metadata.uid)

    async def told(self, reason: str) -> int:
        """How often the Events have that reason."""
        return sum(event.count or 1 for event in await self.bench.events() if event.reason == reason)


def log_option(libvirtd: Libvirtd) -> tuple[str, str]:
    """Where the controller finds QEMU's logs."""
    return "--log-folder", str(libvirtd.root / "log/qemu")


@pytest.fixture
async def either(
    client: Client, namespace: str, any_api: Api, libvirtd: Libvirtd, guest_folder: Path, private_network: None
) -> AsyncIterator[Story]:
    """On each of the two API servers."""
    process = ControllerProcess(any_api, libvirtd.uri, guest_folder, namespace, options=log_option(libvirtd))
    async with bench(client, namespace, process) as made:
        yield Story(made, libvirtd.uri)


@pytest.fixture
async def story(
    embedded_api: Api, libvirtd: Libvirtd, guest_folder: Path, private_network: None
) -> AsyncIterator[Story]:
    """A controller on the tests' own libvirtd."""
    async with lone_bench(embedded_api, libvirtd, guest_folder, *log_option(libvirtd)) as made:
        yield Story(made, libvirtd.uri)


@pytest.fixture
async def narrow(
    embedded_api: Api, guest_folder: Path, small_pool: Path, private_network: None
) -> AsyncIterator[Story]:
    """The same with a storageClass that is soon full; a libvirtd sees what was mounted before it started."""
    with served() as libvirtd:
        more = ("--storage-class", f"small={small_pool}")
        async with lone_bench(embedded_api, libvirtd, guest_folder, *log_option(libvirtd), *more) as made:
            yield Story(made, libvirtd.uri)


async def test_paused_guest_stays_paused_whoever_restarts_and_is_let_run_again(either: Story) -> None:
    story = either
    await story.begin()
    pid = story.vm.status.qemu_pid
    await story.does("pause")
    await story.reaches(Phase.PAUSED, "Paused")
    assert (await story.virsh("domstate")).strip() == "paused"
    assert story.vm.spec.running is True

    await story.bench.controller.kill()
    await story.bench.controller.start()
    await story.does("pause")
    assert (story.vm.phase, story.vm.status.qemu_pid) == (Phase.PAUSED, pid)
    await story.does("resume")
    await story.reaches(Phase.RUNNING, "Running")

    await story.virsh("suspend")
    await story.reaches(Phase.PAUSED, "PausedOutside")
    await story.virsh("resume")
    await story.reaches(Phase.RUNNING, "Running")

    await story.does("pause")
    await story.does("restart", force=True)
    await story.reaches(Phase.RUNNING, "Running")
    assert story.vm.status.qemu_pid != pid
    await story.does("pause")
    await story.does("stop", force=True)
    await story.reaches(Phase.STOPPED, "Stopped")


async def test_resets_crashes_and_power_offs_are_told_apart(story: Story) -> None:
    await story.begin()
    pid = story.vm.status.qemu_pid

    await story.key("r")
    await story.says(READY, 2)
    await story.bench.until(lambda: story.vm.status.last_reset is not None)
    assert (story.vm.status.qemu_pid, await story.told("GuestRebooted")) == (pid, 1)

    await story.key("p")
    await story.reaches(Phase.FAILED, "GuestCrashed")
    assert story.message == "the guest crashed: it reported a panic"
    await until_gone(pid)
    await story.does("start")
    await story.says(READY, 3)

    await story.key("w")
    await story.says(READY, 4)
    await story.bench.until(
        lambda: story.vm.status.last_reset is not None and story.vm.status.last_reset.reason == "WatchdogReset"
    )
    assert (await story.told("WatchdogReset"), await story.told("GuestRebooted")) == (1, 1)

    assert story.vm.status.qemu_pid is not None
    os.kill(story.vm.status.qemu_pid, signal.SIGSEGV)
    await story.reaches(Phase.FAILED, "GuestCrashed")
    assert story.message.startswith("QEMU ended without the guest's power-off")
    await story.does("start")
    await story.says(READY, 5)

    assert story.vm.status.qemu_pid is not None
    os.kill(story.vm.status.qemu_pid, signal.SIGTERM)
    await story.reaches(Phase.FAILED, "PowerCutOutside")
    assert f"terminating on signal 15 from pid {os.getpid()}" in story.message
    await story.does("start")
    await story.says(READY, 6)

    await story.key("o")
    await story.reaches(Phase.STOPPED, "GuestShutdown")
    assert await story.told("GuestShutdown") == 1


async def test_full_disk_pauses_the_guest_and_space_lets_it_go_on(narrow: Story, small_pool: Path) -> None:
    story = narrow
    namespace = story.bench.namespace
    await story.begin(disks=[{"name": "root", "size": "18Mi", "storageClass": "small"}])
    pid = story.vm.status.qemu_pid
    await story.key("d")
    await story.reaches(Phase.PAUSED, "DiskFull")
    assert story.message == f"disk root cannot grow, {small_pool} is full: free space there, then resume the VM"

    in_vain = await story.bench.operate(NAME, "resume")
    assert in_vain.phase is OperationPhase.FAILED
    assert "held again: disk root cannot grow" in (in_vain.status.message or "")
    await story.bench.controller.stop()
    await story.bench.controller.start()
    await story.reaches(Phase.PAUSED, "DiskFull")

    await asyncio.to_thread(subprocess.run, ["mount", "-o", "remount,size=64m", str(small_pool)], check=True)
    await story.does("resume")
    await story.says(WRITTEN)
    await story.reaches(Phase.RUNNING, "Running")
    assert story.vm.status.qemu_pid == pid

    uid = story.vm.metadata.uid
    keep = {"metadata": {"annotations": {"hypersdk.io/keep-disks": "true"}}}
    await story.bench.client.patch(VIRTUAL_MACHINES, namespace, NAME, keep)  # type: ignore[arg-type]
    await story.does("delete")
    kept = small_pool / "kept" / f"{namespace}.{NAME}.{uid}" / "root.qcow2"
    assert kept.stat().st_size > 1 << 20
    told = [event.message for event in await story.bench.events() if event.reason == "DisksKept"]
    assert told == [f"on node-1: {kept}"]
