"""Stores, VMs and hosts for tests of backups: real files, a folder as the store, a host on which nothing runs."""

import asyncio
import atexit
import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, cast

from controller.hypervisor.backup_port import BackupBegun, BackupState, DiskCopy
from controller.hypervisor.fake import FakeDomain, FakeHypervisor
from controller.hypervisor.layer_port import DomainFiles
from controller.hypervisor.port import Hardware, PluggedDisk
from controller.node.backups.destination import Destinations
from controller.node.backups.folder import FolderStore
from controller.node.backups.making import Maker
from controller.node.backups.reading import answers
from controller.node.backups.store import Content, Place, Store
from controller.node.machine_state import NVRAM, TPM, MachineStates
from controller.node.places import NodePlaces
from controller.settings import Settings
from hypersdk.kube.client import Client
from hypersdk.model.backupjob import BackupDestination, BackupJob
from hypersdk.model.virtualmachine import VirtualMachine
from tests.unit.node.builders import UID, domain, machine

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
KIB = 1024


@dataclass
class IdleHost:
    """A host whose domains are off: what is asked of it is written down."""

    asked: list[str] = field(default_factory=list)

    async def begin(self, *_: Any, **__: Any) -> BackupBegun:
        raise AssertionError("nothing runs here")

    async def show(self, *_: Any, **__: Any) -> BackupBegun:
        raise AssertionError("nothing runs here")

    async def shown(self, uuid: str) -> str:
        raise AssertionError("nothing runs here")

    async def state(self, uuid: str) -> BackupState:
        raise AssertionError("nothing runs here")

    async def abort(self, uuid: str) -> None:
        self.asked.append("abort")

    async def thaw(self, uuid: str) -> None:
        self.asked.append("thaw")

    async def checkpoints(self, uuid: str) -> list[str]:
        return []

    async def drop_checkpoint(self, uuid: str, name: str) -> None:
        self.asked.append(f"drop {name}")

    async def close(self) -> None:
        return None


@dataclass
class ShowingHost(IdleHost):
    """QEMU as far as a backup goes: what is on the disk now is shown by qemu-nbd, whatever is written later."""

    disk: Path = Path()
    at: str = ""
    process: subprocess.Popen[bytes] | None = None

    async def show(self, uuid: str, copies: Sequence[DiskCopy], socket: str, **_: Any) -> BackupBegun:
        (copy,) = copies
        self.asked.append("show")
        await asyncio.to_thread(shutil.copy, self.disk, copy.target)
        words = ["--read-only", "--persistent", "--shared=8", f"--export-name={copy.dev}", f"--socket={socket}"]
        self.process = await asyncio.to_thread(subprocess.Popen, ["qemu-nbd", "-f", "qcow2", *words, copy.target])
        async with asyncio.timeout(10):
            while not await asyncio.to_thread(answers, Path(socket)):  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.01)
        self.at = socket
        return BackupBegun(0.02)

    async def shown(self, uuid: str) -> str:
        return self.at

    async def abort(self, uuid: str) -> None:
        await super().abort(uuid)
        await asyncio.to_thread(self.end)

    def end(self) -> None:
        """QEMU ends."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.process, self.at = None, ""


class NoDomains:
    """libvirt knows no machine here: what is kept for its start is its state."""

    async def files(self, uuid: str) -> DomainFiles:
        return DomainFiles()


class Died(BaseException):
    """kill -9, as far as a test can."""


@dataclass
class MortalStore:
    """A folder whose user dies at its n-th write or removal."""

    inner: FolderStore
    left: int = 10**9

    @property
    def words(self) -> str:
        return self.inner.words

    async def put(self, key: str, data: Content) -> None:
        self._count()
        await self.inner.put(key, data)

    async def get(self, key: str, most: int) -> bytes:
        return await self.inner.get(key, most)

    async def delete(self, key: str) -> None:
        self._count()
        await self.inner.delete(key)

    async def close(self) -> None:
        return None

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Died


@dataclass(frozen=True)
class OneStore(Destinations):
    """Everything goes to one store."""

    store: Store = field(default_factory=lambda: FolderStore(Path("/nowhere")))

    async def place(self, spec: BackupDestination, namespace: str, vm: str) -> Place:
        return Place(self.store, f"{namespace}/{vm}")


@dataclass
class Bench:
    """A VM that is off, with one real disk, and a folder for its backups."""

    root: Path
    host: IdleHost = field(default_factory=IdleHost)

    def __post_init__(self) -> None:
        self.places = NodePlaces(self.root / "state")
        self.places.make()
        (self.root / "vault").mkdir()
        self.store = FolderStore(self.root / "vault")
        self.disk = self.places.disk(UID, "standard", "disk-data.qcow2")
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(self.disk), "1M"], check=True)
        self.write("write -P 0x2a 64k 512k")
        self.hypervisor = FakeHypervisor(lambda: 0.0)

    def write(self, command: str) -> None:
        """Change the disk."""
        subprocess.run(["qemu-io", "-f", "qcow2", "-c", command, str(self.disk)], check=True, capture_output=True)

    def vm(self, **metadata: Any) -> VirtualMachine:
        return machine(metadata=metadata, image=None, disks=[{"name": "data", "size": "1Mi"}])

    def maker(self, dies_at: int = 10**9) -> Maker:
        """A controller's, which dies at its n-th change of the store."""
        settings = Settings(node="node-1", state=self.places.state, migration_folder=sockets())
        client = cast("Client", None)
        stores = OneStore(client, settings, MortalStore(self.store, dies_at))
        states = MachineStates(self.places, NoDomains())
        return Maker(self.hypervisor, self.host, self.places, states, stores, lambda: NOW, part_bytes=128 * KIB)

    def run(self) -> "ShowingHost":
        """The VM runs from now on."""
        self.host = host = ShowingHost(disk=self.disk)
        disks = (PluggedDisk(str(self.disk), "vda", name="data"),)
        self.hypervisor.domains_by_uuid[UID] = FakeDomain(replace(domain(), uuid=UID, hardware=Hardware(disks=disks)))
        return host

    def state(self) -> Path:
        """Firmware variables and a TPM's memory for the next start; the folder that they lie in."""
        machine = self.places.machine(UID)
        machine.mkdir(parents=True)
        (machine / NVRAM).write_bytes(b"variables")
        (machine / TPM).write_bytes(b"sealed")
        return machine

    @property
    def place(self) -> Place:
        return Place(self.store, "default/web")

    def objects(self) -> set[str]:
        """What is stored, by key below the VM's folder."""
        root = self.root / "vault" / "default" / "web"
        return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}

    def named(self, folder: str) -> set[str]:
        """The objects that a backup's manifest names, and it itself."""
        path = self.root / "vault" / "default" / "web" / folder / "manifest.json"
        told = json.loads(path.read_text())
        parts = {part["key"] for disk in told["disks"] for part in disk["parts"] if part["key"]}
        parts |= {one["part"]["key"] for one in told["state"]}
        return {f"{folder}/{key}" for key in parts | {"manifest.json"}}

    def scratch(self) -> list[Path]:
        """What lies on the node."""
        root = self.places.state / "backups"
        return sorted(root.iterdir()) if root.is_dir() else []


@cache
def sockets() -> Path:
    """A short folder: a socket's path may have 107 bytes."""
    folder = tempfile.mkdtemp(prefix="hs")
    atexit.register(shutil.rmtree, folder)
    return Path(folder)


def backup(name: str = "nightly", uid: str = "5f8a0f4e-6f7c-4b51-9b9e-0c3f3f6b1a01", **spec: Any) -> BackupJob:
    """A BackupJob of that VM."""
    whole = {"source": {"provider": "libvirt", "vmName": "web"}, "destination": {"type": "local"}} | spec
    return BackupJob.model_validate({"metadata": {"name": name, "namespace": "default", "uid": uid}, "spec": whole})


def quiet(phase: str, done: int, total: int) -> None:
    """Nobody listens."""
