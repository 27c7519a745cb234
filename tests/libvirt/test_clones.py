"""Are clones of real guests whole, apart from their source, and gone when they are not to be?"""

import asyncio
import os
import random
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import JsonValue

from controller.hypervisor.layers import LibvirtLayers
from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import VM_OPERATIONS, VM_SNAPSHOTS
from hypersdk.model.marks import CANCEL
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmoperation import OperationPhase, VMOperation
from hypersdk.model.vmsnapshot import VMSnapshot
from hypersdk.verbs.operation import until
from hypersdk.verbs.verb import Outcome
from tests.controlplane.api import Api
from tests.folders import open_folder
from tests.libvirt.benches import lone_bench
from tests.libvirt.bootsector import write_echo_disk
from tests.libvirt.conftest import Libvirtd
from tests.libvirt.controllers import Bench
from tests.libvirt.nvram import add_variable

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]
PATTERN = "0x5a"
MARKER = b"a variable of the source's"
KILLS = int(os.environ.get("HYPERSDK_KILLS") or 2)
"""100 in `make soak`."""


@dataclass
class Clones:
    """A controller with images, and clones made through it."""

    bench: Bench
    layers: LibvirtLayers

    @property
    def images(self) -> Path:
        return self.bench.controller.images

    async def begin(self, source: str, target: str, **how: JsonValue) -> VMOperation:
        """Ask for a clone."""
        spec: JsonObject = {
            "vmRef": {"name": source},
            "operation": "clone",
            "cloneSpec": {"targetName": target, **how},
        }
        meta: JsonObject = {"generateName": f"{source}-clone-"}
        self.bench.made.add(target)
        made = await self.bench.client.create(VM_OPERATIONS, self.bench.namespace, {"metadata": meta, "spec": spec})
        return made

    async def over(self, op: VMOperation) -> VMOperation:
        """The operation once it is over."""
        operations = self.bench.operations

        def is_over() -> bool:
            found = operations.get(*op.key)
            return found is not None and found.phase.is_over

        await self.bench.until_of(operations, is_over, 120)
        found = operations.get(*op.key)
        assert found is not None
        return found

    async def clone(self, source: str, target: str, **how: JsonValue) -> VMOperation:
        """Clone, and see that it came about."""
        op = await self.over(await self.begin(source, target, **how))
        assert op.phase is OperationPhase.SUCCEEDED, op.status.message
        return op

    def strange_files(self, op: VMOperation) -> list[str]:
        """What lies among the disks and belongs to no VM, is half made, or is left of a clone that was not made."""
        uids = tuple(vm.metadata.uid for vm in self.bench.vms)
        tag = f"@c-{op.metadata.uid.replace('-', '')[:12]}" if op.phase is OperationPhase.CANCELLED else "@none"
        names = [path.name for path in (self.bench.controller.state / "disks").iterdir()]
        return [name for name in names if not name.startswith(uids) or tag in name]

    async def ready(self, name: str, *, gone: bool = False) -> None:
        """Wait for a snapshot to be ready, or gone."""

        def holds(snapshot: VMSnapshot | None) -> Outcome | None:
            if snapshot is None:
                return Outcome(gone, "there is none")
            return Outcome(True, "it is") if snapshot.status.ready_to_restore and not gone else None

        async with asyncio.timeout(60):
            outcome = await until(self.bench.client, VM_SNAPSHOTS, (self.bench.namespace, name), holds)
        assert outcome.ok

    def uid(self, name: str) -> str:
        return self.bench.vm(name).metadata.uid

    def disk(self, name: str, file: str = "root.qcow2") -> Path:
        return self.bench.controller.state / "disks" / f"{self.uid(name)}-{file}"

    async def state_of(self, name: str) -> tuple[Path, Path]:
        """Where libvirt has its firmware's variables and its TPM's memory."""
        files = await self.layers.files(self.uid(name))
        return Path(files.nvram), Path(files.tpm)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clones(embedded_api: Api, libvirtd: Libvirtd, private_network: None) -> AsyncIterator[Clones]:
    """A controller of the module's own."""
    with open_folder() as folder:
        async with lone_bench(embedded_api, libvirtd, folder, "--network", "bridge:br-none") as made:
            write_echo_disk(made.controller.images / "echo.raw")
            layers = LibvirtLayers(libvirtd.uri)
            yield Clones(made, layers)
            await layers.close()


async def off(clones: Clones, name: str, mac: str = "52:54:00:aa:bb:01") -> None:
    """A VM that is off, with a marker on each of its disks."""
    disks: list[JsonValue] = [{"name": "root", "size": "64Mi", "bootOrder": 1}, {"name": "data", "size": "32Mi"}]
    image = f"file://{clones.images / 'echo.raw'}"
    networks: list[JsonValue] = [{"name": "default", "macAddress": mac}]
    await clones.bench.create(name, image, memory="32Mi", running=False, disks=disks, networks=networks)
    await clones.bench.until_phase(name, Phase.STOPPED)
    for file in ("root.qcow2", "disk-data.qcow2"):
        qemu_io(clones.disk(name, file), f"write -P {PATTERN} 1M 64k")


def qemu_io(disk: Path, command: str) -> str:
    """What qemu-io does to a disk that nobody uses."""
    done = subprocess.run(["qemu-io", "-f", "qcow2", "-c", command, str(disk)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Pattern verification failed" not in done.stdout, done.stdout
    return done.stdout


def facts(disk: Path) -> str:
    return subprocess.run(["qemu-img", "info", str(disk)], capture_output=True, text=True, check=True).stdout


async def test_clone_of_a_stopped_machine_is_whole_and_stands_alone(clones: Clones) -> None:
    await off(clones, "still")
    op = await clones.clone("still", "copy")
    copy, still = clones.bench.vm("copy"), clones.bench.vm("still")
    assert (op.status.result or {})["clone"] == "copy"
    await clones.bench.until_phase("copy", Phase.STOPPED)
    assert copy.spec.networks is not None
    assert copy.spec.networks[0].mac_address is None
    assert copy.metadata.uid != still.metadata.uid
    for file in ("root.qcow2", "disk-data.qcow2"):
        qemu_io(clones.disk("copy", file), f"read -P {PATTERN} 1M 64k")
        assert "backing file" not in facts(clones.disk("copy", file))
    qemu_io(clones.disk("copy"), "write -P 0x11 1M 64k")
    qemu_io(clones.disk("still"), f"read -P {PATTERN} 1M 64k")


async def test_source_of_a_linked_clone_goes_and_the_clone_stays(clones: Clones) -> None:
    await off(clones, "stem", "52:54:00:aa:bb:02")
    stem = clones.uid("stem")
    await clones.clone("stem", "leaf", linkedClone=True)
    await clones.clone("leaf", "bud", linkedClone=True)
    for file in ("root", "disk-data"):
        (layer,) = clones.disk("stem").parent.glob(f"{stem}-{file}@c-*.qcow2")
        qemu_io(layer, "write -P 0x22 1M 64k")
    await clones.bench.delete("stem")
    left = {path.name for path in clones.disk("leaf").parent.glob(f"{stem}-*")}
    assert left == {f"{stem}-root.qcow2", f"{stem}-disk-data.qcow2"}
    for file in ("root.qcow2", "disk-data.qcow2"):
        qemu_io(clones.disk("bud", file), f"read -P {PATTERN} 1M 64k")
    await clones.bench.operate("bud", "start")
    await clones.bench.until_phase("bud", Phase.RUNNING, "Running")
    leaf = clones.uid("leaf")
    await clones.bench.delete("leaf")
    assert list(clones.disk("bud").parent.glob(f"{leaf}-*"))
    folder, bud = clones.disk("bud").parent, clones.uid("bud")
    await clones.bench.delete("bud")
    assert [path for uid in (stem, leaf, bud) for path in folder.glob(f"*{uid}*")] == []
    assert list((clones.bench.controller.state / "released").iterdir()) == []


@pytest.mark.parametrize("linked", [False, True], ids=["whole", "linked"])
async def test_clone_of_a_snapshot_is_as_the_disks_were_then(clones: Clones, linked: bool) -> None:
    name = "then-linked" if linked else "then-whole"
    body: JsonObject = {"metadata": {"name": name}, "spec": {"vmRef": {"name": "still"}}}
    await clones.bench.client.create(VM_SNAPSHOTS, clones.bench.namespace, body)
    await clones.ready(name)
    (now,) = clones.disk("still").parent.glob(f"{clones.uid('still')}-disk-data@s-*.qcow2")
    qemu_io(now, "write -P 0x33 1M 64k")
    op = await clones.clone("still", f"of-{name}", linkedClone=linked, snapshotRef={"name": name})
    assert f"as in the snapshot {name}, Offline" in (op.status.message or "")
    qemu_io(clones.disk(f"of-{name}", "disk-data.qcow2"), f"read -P {PATTERN} 1M 64k")
    await clones.bench.delete(f"of-{name}")
    await clones.bench.client.delete(VM_SNAPSHOTS, clones.bench.namespace, name)
    await clones.ready(name, gone=True)
    qemu_io(clones.disk("still", "disk-data.qcow2"), "write -P 0x5a 1M 64k")


@pytest.mark.timeout(120 + 30 * KILLS)
async def test_controller_killed_at_any_moment_leaves_a_whole_clone_or_none(clones: Clones) -> None:
    seed = int(os.environ.get("HYPERSDK_SEED") or random.SystemRandom().randrange(10**6))
    chance = random.Random(seed)
    await off(clones, "victim", "52:54:00:aa:bb:03")
    qemu_io(clones.disk("victim", "disk-data.qcow2"), f"write -P {PATTERN} 2M 30M")
    await clones.bench.operate("victim", "start")
    for number in range(KILLS):
        how = f"seed {seed}, kill {number}"
        if chance.random() < 0.3:
            await clones.bench.operate("victim", chance.choice(["start", "stop"]), force=True)
        pid = clones.bench.vm("victim").status.qemu_pid
        op = await clones.begin("victim", "heir", linkedClone=chance.random() < 0.5)
        if chance.random() < 0.4:
            await asyncio.sleep(chance.uniform(0, 0.4))
            asked: JsonObject = {"metadata": {"annotations": {CANCEL: "true"}}}
            await clones.bench.client.patch(VM_OPERATIONS, clones.bench.namespace, op.metadata.name, asked)
        await asyncio.sleep(chance.uniform(0, 0.8))
        await clones.bench.controller.kill()
        await clones.bench.controller.start()
        op = await clones.over(op)
        assert op.phase in {OperationPhase.SUCCEEDED, OperationPhase.CANCELLED}, f"{how}: {op.status.message}"
        if op.phase is OperationPhase.SUCCEEDED:
            qemu_io(clones.disk("heir", "disk-data.qcow2"), f"read -P {PATTERN} 2M 30M")
            await clones.bench.delete("heir")
        await clones.bench.until(lambda: "heir" not in {vm.metadata.name for vm in clones.bench.vms})
        assert clones.strange_files(op) == [], how
        assert clones.bench.vm("victim").status.qemu_pid == pid, how


async def test_clone_takes_firmware_variables_and_tpm_along(clones: Clones) -> None:
    here, image = clones.bench, f"file://{clones.images / 'echo.raw'}"
    more: JsonObject = {"firmware": {"bootloader": "uefi"}, "devices": {"tpm": {}}, "guestAgent": {"enabled": False}}
    await here.create("sealed", image, memory="128Mi", **more)
    await here.until_phase("sealed", Phase.RUNNING)
    await here.operate("sealed", "pause")
    variables, tpm = await clones.state_of("sealed")
    await asyncio.to_thread(add_variable, variables, "Marker", MARKER)

    await clones.clone("sealed", "sealed-off")
    kept = here.controller.state / "machines" / clones.uid("sealed-off")
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == {
        "nvram.fd": variables.read_bytes(),
        "tpm2-00.permall": tpm.read_bytes(),
    }
    await here.operate("sealed", "stop", force=True)
    await clones.clone("sealed", "sealed-on", linkedClone=True, startAfterClone=True)
    await here.operate("sealed-on", "pause")
    its_variables, its_tpm = await clones.state_of("sealed-on")
    assert MARKER in its_variables.read_bytes()
    # swtpm's certificate of the TPM names the machine that it was made for.
    assert clones.uid("sealed").encode() in its_tpm.read_bytes()
    await here.delete("sealed-on")
    assert not its_variables.exists()
    assert not its_tpm.exists()
