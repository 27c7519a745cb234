"""Are backups of a real guest whole, consistent and restorable, whatever happens while they are made?"""

import os
import shutil
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import JsonValue

from hyperctl.guest.image import build
from hypersdk.kube.cache import Cache
from hypersdk.kube.watch import Watch
from hypersdk.model.backupjob import BackupJob
from hypersdk.model.base import JsonObject, condition
from hypersdk.model.kinds import BACKUP_JOBS, RESTORE_JOBS, SECRETS
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
        return {
            "type": "s3",
            "bucket": BUCKET,
            "prefix": "nightly",
            "endpoint": self.s3.endpoint,
            "credentials": {"secretRef": {"name": secret}},
        } | other

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
