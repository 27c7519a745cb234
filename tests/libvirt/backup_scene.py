"""A guest with a store and backups of it: how tests ask for them, wait for them and look at what is stored."""

import asyncio
import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import libvirt
from pydantic import JsonValue

from hypersdk.kube.cache import Cache, Key
from hypersdk.model.backupjob import BackupJob
from hypersdk.model.base import JsonObject, condition
from hypersdk.model.kinds import BACKUP_JOBS, RESTORE_JOBS, VM_OPERATIONS
from hypersdk.model.marks import VERIFY
from hypersdk.model.restorejob import RestoreJob
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmoperation import VMOperation
from tests.libvirt.controllers import Bench
from tests.libvirt.in_guest import InGuest
from tests.s3.server import ACCESS, BUCKET, SECRET, S3Server

BOOTED_WITHIN_S = 200.0
"""Two guests share what a busy machine leaves them."""


@dataclass
class Scene:
    """A running guest with an agent and files of its own, a store, and backups of it."""

    here: Bench
    s3: S3Server
    uri: str
    backups: Cache[BackupJob] = field(default_factory=Cache)
    restores: Cache[RestoreJob] = field(default_factory=Cache)

    @property
    def guest(self) -> InGuest:
        return self.inside("web")

    def inside(self, name: str) -> InGuest:
        return InGuest(self.uri, self.here.vm(name).metadata.uid)

    def destination(self, secret: str = "store", **other: str) -> JsonObject:
        found: JsonObject = {
            "type": "s3",
            "bucket": BUCKET,
            "prefix": "nightly",
            "endpoint": self.s3.endpoint,
            "credentials": {"secretRef": {"name": secret}},
        }
        return found | {**other}

    async def back_up(self, name: str, destination: JsonObject | None = None, **spec: object) -> BackupJob:
        await self.begin(name, destination, **spec)
        return await self.over(name)

    async def begin(self, name: str, destination: JsonObject | None = None, **spec: object) -> None:
        whole = {"source": {"provider": "libvirt", "vmName": "web"}, "destination": destination or self.destination()}
        body: JsonObject = {"metadata": {"name": name}, "spec": whole | spec}  # type: ignore[dict-item]
        await self.here.client.create(BACKUP_JOBS, self.here.namespace, body)

    async def over(self, name: str) -> BackupJob:
        await self.until(name, lambda job: job.is_over)
        return self.job(name)

    async def until(self, name: str, holds: Callable[[BackupJob], bool], within: float = 90) -> None:
        def reached() -> bool:
            job = self.backups.get(self.here.namespace, name)
            return job is not None and holds(job)

        try:
            await self.here.until_of(self.backups, reached, within)
        except AssertionError as error:
            raise AssertionError(f"{[job.status.wire() for job in self.backups]} {error}") from error

    async def restore(self, name: str, backup: str, **options: JsonValue) -> RestoreJob:
        """Restore a backup by its job, and wait for the end."""
        await self.begin_restore(name, {"type": "backup-ref", "backupJobRef": {"name": backup}}, **options)
        return await self.restored(name)

    async def begin_restore(self, name: str, source: JsonObject, **options: JsonValue) -> None:
        spec: JsonObject = {"source": source, "destination": {"provider": "libvirt"}, "options": options}
        await self.here.client.create(RESTORE_JOBS, self.here.namespace, {"metadata": {"name": name}, "spec": spec})
        if isinstance(made := options.get("renameVM"), str):
            self.here.made.add(made)

    async def restored(self, name: str) -> RestoreJob:
        """The RestoreJob once it is over."""

        def over() -> bool:
            job = self.restores.get(self.here.namespace, name)
            return job is not None and job.is_over

        try:
            await self.here.until_of(self.restores, over, 90)
        except AssertionError as error:
            raise AssertionError(f"{[job.status.wire() for job in self.restores]} {error}") from error
        found = self.restores.get(self.here.namespace, name)
        assert found is not None
        return found

    async def operate(self, name: str, operation: str, **more: JsonValue) -> VMOperation:
        """Do one operation on a VM, and wait until it is over."""
        return await self.operated(await self.ask(name, operation, **more))

    async def ask(self, name: str, operation: str, **more: JsonValue) -> Key:
        """Ask for one operation on a VM."""
        meta: JsonObject = {"generateName": f"{name}-{operation}-"}
        body: JsonObject = {"metadata": meta, "spec": {"vmRef": {"name": name}, "operation": operation, **more}}
        return (await self.here.client.create(VM_OPERATIONS, self.here.namespace, body)).key

    async def operated(self, key: Key) -> VMOperation:
        """The operation once it is over."""

        def over() -> bool:
            op = self.here.operations.get(*key)
            return op is not None and op.phase.is_over

        await self.here.until_of(self.here.operations, over, 90)
        found = self.here.operations.get(*key)
        assert found is not None
        return found

    async def until_told(self, key: Key, words: str) -> None:
        """Wait until an operation says so."""

        def told() -> bool:
            op = self.here.operations.get(*key)
            return op is not None and op.status.message == words

        await self.here.until_of(self.here.operations, told, 90)

    def phase(self, name: str) -> str | None:
        """Of a RestoreJob; None for one that is gone."""
        job = self.restores.get(self.here.namespace, name)
        return None if job is None else (job.status.phase or "Pending")

    async def verified(self, name: str) -> tuple[str, str]:
        """What a check of the backup says."""
        request = uuid.uuid4().hex
        notes: JsonObject = {"metadata": {"annotations": {VERIFY: request}}}
        await self.here.client.patch(BACKUP_JOBS, self.here.namespace, name, notes)
        await self.until(name, lambda job: job.status.verify_request == request)
        return reason(self.job(name), "Verified")

    async def until_answers(self, name: str) -> None:
        """Wait until the guest's agent answers."""
        await self.here.until_phase(name, Phase.RUNNING, "Running")
        await self.here.until(lambda: self.here.reason(name, "LivenessProbe") == "AgentAnswers", BOOTED_WITHIN_S)

    def left(self) -> list[Path]:
        """What lies on the node of backups that are not over."""
        root = self.here.controller.state / "backups"
        return sorted(root.iterdir()) if root.is_dir() else []

    def job(self, name: str) -> BackupJob:
        found = self.backups.get(self.here.namespace, name)
        assert found is not None
        return found

    def stored(self, *parts: str) -> list[Path]:
        """The files behind the objects."""
        root = self.s3.objects / self.here.namespace
        return sorted(path for path in root.joinpath(*parts).rglob("*") if path.is_file())


def reason(job: BackupJob, kind: str) -> tuple[str, str]:
    """Status and reason of one of its conditions."""
    found = condition(job.status.conditions, kind)
    return (found.status, found.reason or "") if found else ("", "")


def secret(name: str, key: str = SECRET) -> JsonObject:
    """A Secret with the account of the store."""
    return {"metadata": {"name": name}, "stringData": {"accessKeyId": ACCESS, "secretAccessKey": key}}


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it said."""

    code: int | None
    out: str
    err: str


async def hyperctl(scene: Scene, line: str, *more: str) -> Said:
    """Run one command line of `hyperctl k8s`."""
    where = ("-n", scene.here.namespace, "-kubeconfig", str(scene.here.controller.api.kubeconfig))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hyperctl.main", "k8s", *line.split(), *more, *where),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await process.communicate()
    return Said(process.returncode, out.decode(), err.decode())


def folder(scene: Scene, name: str) -> str:
    """The folder of a backup in its store."""
    return f"{name}-{scene.job(name).metadata.uid[:8]}"


def keys(scene: Scene, name: str) -> set[str]:
    """The objects that a backup's manifest names."""
    (manifest,) = [path for path in scene.stored("nightly", "web", folder(scene, name)) if path.name == "manifest.json"]
    told = json.loads(manifest.read_text())
    return {part["key"] for disk in told["disks"] for part in disk["parts"] if part["key"]}


def checkpoints(uri: str, uuid: str) -> list[str]:
    """What marks the changes of a guest's disks."""
    connection = libvirt.open(uri)
    try:
        return [one.getName() for one in connection.lookupByUUIDString(uuid).listAllCheckpoints()]
    finally:
        connection.close()


def check_disks(scene: Scene, name: str, count: int) -> None:
    """That many files of the VM's are sound qcow2 files, and nobody's else."""
    uid = scene.here.vm(name).metadata.uid
    found = sorted((scene.here.controller.state / "disks").glob(f"*{uid}*"))
    assert [path.stat().st_nlink for path in found] == [1] * count
    for path in found:
        subprocess.run(["qemu-img", "check", "-q", "-f", "qcow2", path], check=True)


@contextmanager
def small_disk(folder: Path) -> Iterator[Callable[[], None]]:
    """A file system on the folder that is too small for a backup, until what comes is called."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=755", "small", folder], check=True)
    try:
        yield lambda: _enlarge(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def _enlarge(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=512m", folder], check=True)


def data_disk(size: str) -> JsonObject:
    """The change of the guest's spec that makes its second disk as large as that."""
    return {"spec": {"disks": [{"name": "root", "size": "256Mi"}, {"name": "data", "size": size}]}}


def state_of(scene: Scene, name: str) -> dict[str, bytes]:
    """What is kept for the VM's next start."""
    machine = scene.here.controller.state / "machines" / scene.here.vm(name).metadata.uid
    return {path.name: path.read_bytes() for path in machine.iterdir()}


def put_state(scene: Scene, name: str, content: bytes) -> None:
    """Firmware variables and a TPM's memory for the VM's next start."""
    machine = scene.here.controller.state / "machines" / scene.here.vm(name).metadata.uid
    machine.mkdir(mode=0o700, parents=True, exist_ok=True)
    (machine / "nvram.fd").write_bytes(content + b", nvram")
    (machine / "tpm2-00.permall").write_bytes(content + b", tpm")


def qemu_io(disk: Path, *commands: str) -> None:
    """Something done to a disk that nobody uses; what is read must be as said."""
    words = [word for command in commands for word in ("-c", command)]
    done = subprocess.run(["qemu-io", "-f", "qcow2", *words, str(disk)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Pattern verification failed" not in done.stdout, done.stdout
