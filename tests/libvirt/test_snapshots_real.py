"""Whether a real guest's disks and memory come back as they were: taken, gone back to, merged, in one life of it."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import pytest
from pydantic import JsonValue

from controller.hypervisor.layers import seen_from_here
from controller.node.snapshots.openers import openers
from hyperctl.guest.image import build
from hyperctl.stack.virsh import virsh
from hypersdk.kube.cache import Cache
from hypersdk.kube.watch import Watch
from hypersdk.model.base import JsonObject, condition
from hypersdk.model.kinds import VIRTUAL_MACHINES, VM_OPERATIONS, VM_SNAPSHOTS
from hypersdk.model.marks import KEEP_DISKS, MADE_FOR
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmoperation import OperationPhase, VMOperation
from hypersdk.model.vmsnapshot import VMSnapshot
from hypersdk.settings import places
from tests.controlplane.api import Api
from tests.controlplane.caches import running
from tests.libvirt.benches import lone_bench
from tests.libvirt.bootsector import write_echo_disk
from tests.libvirt.conftest import Libvirtd
from tests.libvirt.controllers import Bench
from tests.libvirt.in_guest import InGuest

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(600)]

WITHIN_S = 240.0


@dataclass
class Lab:
    """A VM with two disks, its snapshots, and a shell in it."""

    bench: Bench
    snapshots: Cache[VMSnapshot]
    uri: str
    name: str = "web"

    @property
    def uid(self) -> str:
        """The VM's."""
        return self.bench.vm(self.name).metadata.uid

    async def shell(self, line: str) -> str:
        """What a line of shell prints in the guest; asked of the agent until it answers."""
        return (await InGuest(self.uri, self.uid, WITHIN_S).run(line)).strip()

    async def write(self, word: str) -> None:
        """Put a word on both disks."""
        line = (
            f"for d in /dev/vda /dev/vdb; do echo {word} | dd of=$d bs=512 count=1 seek=SEEK conv=notrunc; done; sync"
        )
        await self.shell(line.replace("seek=SEEK", "seek=20"))

    async def words(self) -> set[str]:
        """The words on its disks, past the guest's cache."""
        line = (
            "for d in /dev/vda /dev/vdb; do dd if=$d bs=512 count=1 skip=20 iflag=direct 2>/dev/null | head -n1; done"
        )
        found = (await self.shell(line)).split()
        assert len(found) == 2, found
        return set(found)

    async def connected(self) -> None:
        """Wait for the agent."""
        await self.bench.until(lambda: self.bench.reason(self.name, "LivenessProbe") == "AgentAnswers", WITHIN_S)

    async def operate(self, operation: str, **spec: JsonValue) -> VMOperation:
        """Do one operation, and wait until it is over."""
        whole: JsonObject = {"vmRef": {"name": self.name}, "operation": operation, **spec}
        meta: JsonObject = {"generateName": f"{self.name}-{operation}-"}
        made = await self.bench.client.create(VM_OPERATIONS, self.bench.namespace, {"metadata": meta, "spec": whole})

        def over() -> bool:
            op = self.bench.operations.get(*made.key)
            return op is not None and op.phase.is_over

        await self.bench.until_of(self.bench.operations, over, WITHIN_S)
        op = self.bench.operations.get(*made.key)
        assert op is not None
        return op

    async def begin(self, name: str, **spec: JsonValue) -> VMSnapshot:
        """Make the object, as kubectl does."""
        whole: JsonObject = {"vmRef": {"name": self.name}, **spec}
        body: JsonObject = {"metadata": {"name": name}, "spec": whole}
        return await self.bench.client.create(VM_SNAPSHOTS, self.bench.namespace, body)

    def is_taken_up(self, snapshot: VMSnapshot) -> bool:
        """Whether the operation that takes it runs."""
        wanted = snapshot.metadata.uid
        mine = (op for op in self.bench.operations if (op.metadata.annotations or {}).get(MADE_FOR) == wanted)
        return any(op.phase is not OperationPhase.PENDING for op in mine)

    async def take(self, name: str, **spec: JsonValue) -> VMSnapshot:
        """Make the object, as kubectl does, and wait until it is Ready."""
        await self.begin(name, **spec)
        await self.bench.until_of(self.snapshots, lambda: self.phase(name) in {"Ready", "Failed"}, WITHIN_S)
        found = self.snapshots.get(self.bench.namespace, name)
        assert found is not None
        assert found.status.phase == "Ready", found.status
        return found

    def phase(self, name: str) -> str:
        """Of a snapshot; empty when there is none."""
        found = self.snapshots.get(self.bench.namespace, name)
        return (found.status.phase or "Pending") if found else ""

    def chain(self, name: str) -> list[str]:
        """The snapshots that it stands on, itself the last."""
        found = self.snapshots.get(self.bench.namespace, name)
        return (found.status.snapshot_chain or []) if found else []

    def part(self, name: str, ending: str) -> Path:
        """The file of a snapshot that ends so."""
        found = self.snapshots.get(self.bench.namespace, name)
        assert found is not None
        return Path(next(path for path in found.status.backing_files or [] if path.endswith(ending)))

    def reason(self, name: str) -> str:
        """Why it is not Ready."""
        found = self.snapshots.get(self.bench.namespace, name)
        ready = condition(found.status.conditions, "Ready") if found else None
        return (ready.reason or "") if ready else ""

    async def drop(self, name: str) -> None:
        """Delete a snapshot, and wait until it is gone."""
        await self.bench.client.delete(VM_SNAPSHOTS, self.bench.namespace, name)
        await self.bench.until_of(self.snapshots, lambda: self.phase(name) == "", WITHIN_S)

    async def stands(self) -> str:
        """Where a guest that is held stands: the registers of its CPU, and what is on its stack."""
        looks = ("info registers", "x /64xg $rsp")
        said = [
            await asyncio.to_thread(virsh, self.uri, "qemu-monitor-command", "--hmp", self.uid, look) for look in looks
        ]
        return "\n".join(said)

    def domain(self) -> Element:
        """The VM's domain, as libvirt has it."""
        return fromstring(virsh(self.uri, "dumpxml", self.uid))

    def layers(self) -> set[str]:
        """What lies on the disks of it."""
        return {path.name.removeprefix(f"{self.uid}-") for path in (self.bench.controller.state / "disks").iterdir()}


@pytest.fixture
async def bench_here(
    embedded_api: Api, libvirtd: Libvirtd, guest_folder: Path, private_network: None
) -> AsyncIterator[Bench]:
    """A controller of its own."""
    async with lone_bench(embedded_api, libvirtd, guest_folder) as here:
        yield here


@pytest.fixture
async def lab(bench_here: Bench, libvirtd: Libvirtd) -> AsyncIterator[Lab]:
    """A guest with an agent that runs."""
    here = bench_here
    image = await asyncio.to_thread(build, places(os.environ).cache, print)
    snapshots: Cache[VMSnapshot] = Cache()
    async with running(Watch(here.client, VM_SNAPSHOTS, snapshots, namespace=here.namespace)):
        await asyncio.to_thread(shutil.copyfile, image, here.controller.images / "demo.qcow2")
        disks: list[JsonValue] = [{"name": "root", "size": "1Gi"}, {"name": "data", "size": "64Mi"}]
        await here.create("web", f"file://{here.controller.images}/demo.qcow2", disks=disks)
        made = Lab(here, snapshots, libvirtd.uri)
        await here.until_phase("web", Phase.RUNNING)
        await made.connected()
        yield made


def taken_by(paths: list[str]) -> int:
    """The room that files take."""
    return sum(Path(path).stat().st_blocks * 512 for path in paths)


async def test_disks_and_memory_come_back(lab: Lab) -> None:
    await lab.write("first")
    await lab.shell("(i=0; while :; do i=$((i+1)); echo $i >/run/counter; sleep 0.1; done) >/dev/null 2>&1 &")
    counted = await _taken(lab)
    await _taken_over_a_death(lab)
    await _memory_returns(lab, counted)
    await _disks_return(lab)
    await _merged(lab)
    await _kept(lab)


async def _taken(lab: Lab) -> int:
    """Frozen by the agent, of both disks at once, and then with the memory; how far the counter was."""
    first = await lab.take("first", description="before the change")
    assert first.status.consistency == "FilesystemFrozen"
    assert (first.status.frozen_seconds or 0) > 0
    assert first.status.size_bytes == taken_by(first.status.backing_files or [])
    assert (first.status.vm_state is not None and first.status.vm_state.disk_count) == 2
    await lab.write("second")
    second = await lab.take("second", includeMemory=True)
    counted = int(await lab.shell("cat /run/counter"))
    assert second.status.consistency == "Memory"
    await lab.bench.until_of(lab.snapshots, lambda: lab.chain("second") == ["first", "second"], WITHIN_S)
    tips = {disk.get("file", "") for disk in lab.domain().findall("devices/disk[@device='disk']/source")}
    opened = await asyncio.to_thread(openers, tips)
    assert [[one.mode for one in opened[tip]] for tip in tips] == [["write"], ["write"]]
    return counted


async def _taken_over_a_death(lab: Lab) -> None:
    here = lab.bench
    made = await lab.begin("third", quiesce=True)
    await here.until_of(here.operations, lambda: lab.is_taken_up(made), WITHIN_S)
    await here.controller.kill()
    await here.controller.start()
    await here.until_of(lab.snapshots, lambda: lab.phase("third") == "Ready", WITHIN_S)
    await lab.shell("echo it writes >/dev/vdb && sync")
    await lab.drop("third")


async def _memory_returns(lab: Lab, counted: int) -> None:
    """The counter goes on from where it was, in another QEMU."""
    here = lab.bench
    await lab.write("third")
    pid = here.vm("web").status.qemu_pid
    op = await lab.operate("restore", restoreSpec={"snapshotName": "second"})
    assert op.phase is OperationPhase.SUCCEEDED, op.status
    await here.until(lambda: here.vm("web").status.qemu_pid not in {None, pid})
    await here.until_phase("web", Phase.RUNNING)
    assert await lab.words() == {"second"}
    assert int(await lab.shell("cat /run/counter")) >= counted - 20


async def _disks_return(lab: Lab) -> None:
    """The guest is started anew."""
    here = lab.bench
    pid = here.vm("web").status.qemu_pid
    op = await lab.operate("restore", restoreSpec={"snapshotName": "first"})
    assert op.phase is OperationPhase.SUCCEEDED, op.status
    await here.until(lambda: here.vm("web").status.qemu_pid not in {None, pid})
    await here.until_phase("web", Phase.RUNNING)
    assert await lab.words() == {"first"}
    assert (await lab.shell("cat /run/counter 2>/dev/null || echo gone")) == "gone"


async def _merged(lab: Lab) -> None:
    """The first cannot go, for two stand on it. The second can, and then the first; all live, the content stays."""
    here = lab.bench
    await here.client.delete(VM_SNAPSHOTS, here.namespace, "first")
    await here.until_of(lab.snapshots, lambda: lab.reason("first") == "LayerInUse", WITHIN_S)
    await lab.drop("second")
    await here.until_of(lab.snapshots, lambda: lab.phase("first") == "", WITHIN_S)
    assert lab.layers() == {"root.qcow2", "disk-data.qcow2"}
    assert await lab.words() == {"first"}
    await lab.write("fourth")
    assert await lab.words() == {"fourth"}


async def _kept(lab: Lab) -> None:
    """What is kept of a VM with a snapshot is what it wrote last, and another VM comes up from it."""
    here = lab.bench
    await lab.take("last")
    await lab.write("fifth")
    kept = here.controller.state / "disks/kept" / f"{here.namespace}.web.{lab.uid}"
    keep: JsonObject = {"metadata": {"annotations": {KEEP_DISKS: "true"}}}
    await here.client.patch(VIRTUAL_MACHINES, here.namespace, "web", keep)
    await here.delete("web")
    assert {path.name for path in kept.iterdir()} == {"root.qcow2", "disk-data.qcow2"}
    again = here.controller.images / "again.qcow2"
    await asyncio.to_thread(virtual_copy, kept / "root.qcow2", again)
    await here.create("again", f"file://{again}")
    await here.until_phase("again", Phase.RUNNING)
    made = Lab(here, lab.snapshots, lab.uri, "again")
    await made.connected()
    assert await made.shell("dd if=/dev/vda bs=512 count=1 skip=20 2>/dev/null | head -n1") == "fifth"


def virtual_copy(path: Path, target: Path) -> None:
    """One file of all that a disk stands on."""
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", str(path), str(target)], check=True)


async def test_memory_comes_back_with_firmware_and_tpm(bench_here: Bench, libvirtd: Libvirtd) -> None:
    """With these libvirt 9.0 itself cannot go back. The guest stands still where it did, to the last register."""
    here = bench_here
    image = await asyncio.to_thread(write_echo_disk, here.controller.images / "echo.raw")
    more: JsonObject = {"firmware": {"bootloader": "uefi"}, "devices": {"tpm": {}}, "guestAgent": {"enabled": False}}
    await here.create("sealed", f"file://{image}", memory="256Mi", **more)
    await here.until_phase("sealed", Phase.RUNNING)
    snapshots: Cache[VMSnapshot] = Cache()
    async with running(Watch(here.client, VM_SNAPSHOTS, snapshots, namespace=here.namespace)):
        lab = Lab(here, snapshots, libvirtd.uri, "sealed")
        await lab.operate("pause")
        stood = await lab.stands()
        await lab.take("sealed-1", includeMemory=True)
        copied = await asyncio.to_thread(lab.part("sealed-1", ".fd").read_bytes)
        await lab.operate("resume")
        variables = Path(seen_from_here(libvirtd.uri, lab.domain().findtext("os/nvram") or ""))
        await asyncio.to_thread(variables.write_bytes, bytes(len(copied)))

        pid = here.vm("sealed").status.qemu_pid
        op = await lab.operate("restore", restoreSpec={"snapshotName": "sealed-1"})
        assert op.phase is OperationPhase.SUCCEEDED, op.status
        await here.until(lambda: here.vm("sealed").status.qemu_pid not in {None, pid})
        await here.until_phase("sealed", Phase.PAUSED)
        assert await lab.stands() == stood
        # The volume's header, which begins with zeros.
        assert (await asyncio.to_thread(variables.read_bytes))[:64] == copied[:64] != bytes(64)
        assert lab.domain().find("devices/tpm") is not None
        assert (await lab.operate("resume")).phase is OperationPhase.SUCCEEDED
        await here.until_phase("sealed", Phase.RUNNING)
        await lab.drop("sealed-1")
        assert lab.layers() == {"root.qcow2"}
