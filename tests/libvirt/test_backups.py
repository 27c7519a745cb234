"""Are backups of a real guest whole, consistent and restorable, whatever happens while they are made?"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import libvirt
import pytest
import pytest_asyncio
from pydantic import JsonValue

from hyperctl.guest.image import build
from hypersdk.kube.cache import Cache
from hypersdk.kube.watch import Watch
from hypersdk.model.backupjob import BackupJob
from hypersdk.model.base import JsonObject, condition, rfc3339
from hypersdk.model.kinds import BACKUP_JOBS, BACKUP_SCHEDULES, RESTORE_JOBS, SECRETS, VIRTUAL_MACHINES
from hypersdk.model.marks import VERIFY
from hypersdk.model.restorejob import RestoreJob
from hypersdk.model.virtualmachine import Phase
from hypersdk.settings import places
from tests.controlplane.api import Api
from tests.controlplane.caches import running
from tests.libvirt.benches import lone_bench, open_folder
from tests.libvirt.conftest import Libvirtd
from tests.libvirt.controllers import Bench
from tests.libvirt.in_guest import InGuest
from tests.s3.server import ACCESS, BUCKET, SECRET, S3Server, served

pytestmark = [
    pytest.mark.libvirt,
    pytest.mark.s3,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]


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
        await self.here.until(lambda: self.here.reason(name, "LivenessProbe") == "AgentAnswers")

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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(
    embedded_api: Api, libvirtd: Libvirtd, private_network: None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Scene]:
    """The guest runs, its agent answers, and a disk of it has files."""
    image = build(places(os.environ).cache, tell=print)
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(open_folder())
        s3 = stack.enter_context(served(tmp_path_factory.mktemp("store")))
        (folder / "vault").mkdir()
        here = await stack.enter_async_context(
            lone_bench(embedded_api, libvirtd, folder, "--backup-folder", str(folder / "vault"))
        )
        for made in (secret("store"), secret("wrong", "not-it")):
            await here.client.create(SECRETS, here.namespace, made)
        found = Scene(here, s3, libvirtd.uri)
        for watch in (
            Watch(here.client, BACKUP_JOBS, found.backups, here.namespace),
            Watch(here.client, RESTORE_JOBS, found.restores, here.namespace),
        ):
            await stack.enter_async_context(running(watch))
        local = f"file://{shutil.copy(image, here.controller.images / 'demo.qcow2')}"
        disks: JsonObject = {"disks": [{"name": "root", "size": "256Mi"}, {"name": "data", "size": "64Mi"}]}
        await here.create("web", local, **disks)
        await found.until_answers("web")
        await found.guest.run("mke2fs -q /dev/vdb && mkdir -p /srv && mount /dev/vdb /srv")
        await found.guest.run("cd /srv && dd if=/dev/urandom of=one bs=1M count=4 && cp one zeroed && sync")
        yield found


async def test_chain_is_stored_verified_and_restored_to_a_new_machine(scene: Scene) -> None:
    full = await scene.back_up("full", incremental={"enabled": True})
    assert full.status.phase == "Completed", full.status.error
    assert (full.status.kind, reason(full, "Consistent")) == ("Full", ("True", "FileSystemsFrozen"))
    assert full.status.freeze_milliseconds is not None

    change = "cd /srv && dd if=/dev/urandom of=one bs=64k count=8 conv=notrunc && echo new > two"
    await scene.guest.run(f"{change} && dd if=/dev/zero of=zeroed bs=1M count=4 conv=notrunc && sync")
    sums = await scene.guest.run("cd /srv && sha256sum one two zeroed")
    part = await scene.back_up("part", incremental={"enabled": True})
    assert (part.status.kind, part.status.base and part.status.base.name) == ("Incremental", "full"), part.status.wire()
    assert (part.status.size or 0) * 3 < (full.status.size or 0)
    assert await scene.verified("part") == ("True", "Restorable")

    await scene.guest.run("cd /srv && rm two && echo later > three && sync")
    done = await scene.restore("again", "part", renameVM="web-2", powerOnAfterRestore=True)
    assert (done.status.phase, done.status.restored_vm_name) == ("Completed", "web-2"), done.status.wire()
    await scene.until_answers("web-2")
    await scene.inside("web-2").run("mkdir -p /srv && mount /dev/vdb /srv")
    assert await scene.inside("web-2").run("cd /srv && sha256sum one two zeroed") == sums
    assert "three" not in await scene.inside("web-2").run("ls /srv")
    assert scene.here.vm("web-2").metadata.uid != scene.here.vm("web").metadata.uid
    assert scene.left() == []


async def test_damaged_backup_is_found_and_not_restored(scene: Scene) -> None:
    await scene.back_up("whole")
    (root, *_) = scene.stored("nightly", "web", folder(scene, "whole"))
    assert await scene.verified("whole") == ("True", "Restorable")
    content = root.read_bytes()
    root.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert await scene.verified("whole") == ("False", "BackupInvalid")
    found = condition(scene.job("whole").status.conditions, "Verified")
    assert found is not None
    assert root.name in (found.message or "")
    done = await scene.restore("refused", "whole", renameVM="never")
    assert (done.status.phase, root.name in (done.status.error or "")) == ("Failed", True)
    await scene.here.until(lambda: scene.here.vms.get(scene.here.namespace, "never") is None)
    (root.parent / "manifest.json").unlink()
    assert await scene.verified("whole") == ("False", "ManifestNotFound")


async def test_wrong_secret_fails_and_costs_the_guest_nothing(scene: Scene) -> None:
    before = scene.stored()
    job = await scene.back_up("denied", scene.destination("wrong"))
    assert (job.status.phase, reason(job, "Succeeded")) == ("Failed", ("False", "AccessDenied"))
    assert "not that of the access key" in (job.status.error or "")
    assert scene.stored() == before
    missing = await scene.back_up("missing", scene.destination("nobody"))
    assert reason(missing, "Succeeded") == ("False", "SecretNotFound")
    elsewhere = await scene.back_up("elsewhere", scene.destination(bucket="no-such-bucket"))
    assert reason(elsewhere, "Succeeded") == ("False", "BucketNotFound")


@pytest.mark.parametrize("moment", ["Storing", "Hanging"])
async def test_killed_controller_leaves_no_half(scene: Scene, moment: str) -> None:
    name = f"killed-{moment.lower()}"
    await scene.guest.run("dd if=/dev/urandom of=/srv/more bs=1M count=8 && sync")
    await scene.begin(name, incremental={"enabled": True})
    await scene.until(name, lambda job: job.is_over or (job.status.phase == "Running" and is_at(job, moment)))
    if moment == "Hanging":
        scene.s3.process.pause()
    await scene.here.controller.kill()
    scene.s3.process.resume()
    await scene.here.controller.start()
    job = await scene.over(name)
    assert job.status.phase == "Completed", job.status.wire()
    assert await scene.verified(name) == ("True", "Restorable")
    there = {path.name for path in scene.stored("nightly", "web", folder(scene, name))}
    assert there == keys(scene, name) | {"manifest.json"}
    assert scene.left() == []
    assert len(await asyncio.to_thread(checkpoints, scene.uri, scene.here.vm("web").metadata.uid)) == 1


async def test_killed_restore_is_gone_on_with_and_a_deleted_one_leaves_nothing(scene: Scene) -> None:
    await scene.begin_restore("killed", {"type": "backup-ref", "backupJobRef": {"name": "part"}}, renameVM="web-3")
    await scene.here.until(lambda: scene.here.vms.get(scene.here.namespace, "web-3") is not None)
    await scene.here.controller.kill()
    await scene.here.controller.start()
    done = await scene.restored("killed")
    assert done.status.phase == "Completed", done.status.wire()
    disks = scene.here.controller.state / "disks"
    uid = scene.here.vm("web-3").metadata.uid
    assert {path.name for path in disks.glob(f"*{uid}*")} == {f"{uid}-root.qcow2", f"{uid}-disk-data.qcow2"}
    before = scene.here.controller.files()
    scene.s3.process.pause()
    try:
        await scene.begin_restore("ended", {"type": "backup-ref", "backupJobRef": {"name": "part"}}, renameVM="web-4")
        await scene.here.until_of(scene.restores, lambda: scene.phase("ended") == "Running", 60)
        await scene.here.client.delete(RESTORE_JOBS, scene.here.namespace, "ended")
    finally:
        scene.s3.process.resume()
    await scene.here.until_of(scene.restores, lambda: scene.phase("ended") is None, 60)
    assert scene.here.controller.files() == before
    assert scene.here.vms.get(scene.here.namespace, "web-4") is None
    assert scene.left() == []


async def test_deleted_job_is_cancelled_and_leaves_nothing(scene: Scene) -> None:
    before = scene.stored()
    scene.s3.process.pause()
    await scene.begin("unwanted")
    try:
        await scene.until("unwanted", lambda job: job.status.phase == "Running")
        await scene.here.client.delete(BACKUP_JOBS, scene.here.namespace, "unwanted")
    finally:
        scene.s3.process.resume()
    await scene.here.until_of(scene.backups, lambda: scene.backups.get(scene.here.namespace, "unwanted") is None, 60)
    assert scene.stored() == before
    assert scene.left() == []


async def test_machine_that_is_off_goes_to_a_folder_and_back_in_place(scene: Scene) -> None:
    await scene.here.create("small", {}, memory="32Mi", running=False, disks=[{"name": "data", "size": "8Mi"}])
    await scene.here.until_phase("small", Phase.STOPPED)
    disk = scene.here.controller.state / "disks" / f"{scene.here.vm('small').metadata.uid}-disk-data.qcow2"
    qemu_io(disk, "write -P 0x2a 1M 64k")
    vault = str(scene.here.controller.folder / "vault")
    source: JsonObject = {"provider": "libvirt", "vmName": "small"}
    job = await scene.back_up("at-home", {"type": "local", "bucket": vault}, source=source, format={"type": "raw"})
    assert (job.status.phase, reason(job, "Consistent")) == ("Completed", ("True", "PoweredOff")), job.status.wire()
    assert (job.status.output_path or "").startswith(f"{vault}/{scene.here.namespace}/small/at-home-")

    qemu_io(disk, "write -P 0x55 1M 64k")
    refused = await scene.restore("no-overwrite", "at-home")
    assert (refused.status.phase, "overwrite" in (refused.status.error or "")) == ("Failed", True)
    await scene.begin_restore("back", {"type": "local", "path": job.status.output_path}, overwrite=True)
    done = await scene.restored("back")
    assert done.status.phase == "Completed", done.status.wire()
    qemu_io(disk, "read -P 0x2a 1M 64k")

    outside = await scene.back_up("outside", {"type": "local", "bucket": "/etc"}, source=source)
    assert reason(outside, "Succeeded") == ("False", "InvalidDestination")
    nfs = await scene.back_up("nfs", {"type": "nfs", "bucket": vault}, source=source)
    assert reason(nfs, "Succeeded") == ("False", "NotMounted")
    other: JsonObject = {"type": "local", "path": f"{vault}/another-namespace/small/x"}
    await scene.begin_restore("theirs", other, overwrite=True)
    theirs = await scene.restored("theirs")
    assert "only this namespace" in (theirs.status.error or "")


async def test_schedule_makes_up_for_the_night_that_was_missed(scene: Scene) -> None:
    labels: JsonObject = {"metadata": {"labels": {"backup": "enabled"}}}
    await scene.here.client.patch(VIRTUAL_MACHINES, scene.here.namespace, "web", labels)
    spec: JsonObject = {
        "schedule": "0 2 * * *",
        "vmSelector": {"matchLabels": {"backup": "enabled"}},
        "destination": scene.destination(),
        "suspend": True,
    }
    client, namespace = scene.here.client, scene.here.namespace
    await client.create(BACKUP_SCHEDULES, namespace, {"metadata": {"name": "vm-daily-backup"}, "spec": spec})
    yesterday = rfc3339(datetime.now(UTC) - timedelta(days=1))
    last: JsonObject = {"status": {"lastScheduleTime": yesterday}}
    await client.patch(BACKUP_SCHEDULES, namespace, "vm-daily-backup", last, subresource="status")
    await client.patch(BACKUP_SCHEDULES, namespace, "vm-daily-backup", {"spec": {"suspend": False}})

    def made() -> list[BackupJob]:
        return [job for job in scene.backups if job.metadata.name.startswith("vm-daily-backup-web-")]

    await scene.here.until_of(scene.backups, lambda: any(job.is_over for job in made()), 60)
    (job,) = made()
    assert job.status.phase == "Completed", job.status.wire()
    assert (job.metadata.labels or {})["hypersdk.io/schedule"] == "vm-daily-backup"


async def test_command_line_backs_up_verifies_restores_and_deletes(scene: Scene) -> None:
    store = ("-bucket", BUCKET, "-endpoint", scene.s3.endpoint, "-secret", "store")
    made = await hyperctl(scene, "backup create -vm web -name by-hand -prefix nightly", *store)
    assert (made.code, "full backup of" in made.out, "FileSystemsFrozen" in made.out) == (0, True, True), made
    path = scene.job("by-hand").status.output_path or ""
    assert "by-hand" in (await hyperctl(scene, "backup list")).out
    assert "vm-daily-backup" in (await hyperctl(scene, "backup schedule list")).out
    assert (await hyperctl(scene, "backup verify by-hand")).code == 0
    damaged = await hyperctl(scene, "backup verify whole")
    assert (damaged.code, "manifest.json is not there" in damaged.err) == (1, True), damaged
    used = await hyperctl(scene, "backup delete full")
    assert (used.code, "part" in used.err) == (1, True), used
    scene.here.made.add("web-5")
    back = await hyperctl(
        scene, "restore create -vm web-5 -path", path, "-endpoint", scene.s3.endpoint, "-secret", "store"
    )
    assert (back.code, "web-5 is restored" in back.out) == (0, True), back
    assert (await hyperctl(scene, "backup delete by-hand")).code == 0
    assert scene.stored("nightly", "web", path.rpartition("/")[2]) == []
    refused = await hyperctl(scene, "backup create -vm web -name hopeless -secret wrong -bucket", BUCKET, *store[2:4])
    assert (refused.code, "not that of the access key" in refused.err) == (1, True), refused


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


def is_at(job: BackupJob, moment: str) -> bool:
    """Whether its progress tells of that phase, if it is one."""
    return moment != "Storing" or (job.status.progress is not None and job.status.progress.current_phase == moment)


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


def qemu_io(disk: Path, command: str) -> None:
    """Something done to a disk that nobody uses; what is read must be as said."""
    done = subprocess.run(["qemu-io", "-f", "qcow2", "-c", command, str(disk)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Pattern verification failed" not in done.stdout, done.stdout
