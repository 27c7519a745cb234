"""Are backups of a real guest whole, consistent and restorable, whatever happens while they are made?"""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from hyperctl.guest.image import build
from hypersdk.kube.watch import Watch
from hypersdk.model.backupjob import BackupJob
from hypersdk.model.base import JsonObject, condition, rfc3339
from hypersdk.model.kinds import (
    BACKUP_JOBS,
    BACKUP_SCHEDULES,
    RESTORE_JOBS,
    SECRETS,
    VIRTUAL_MACHINES,
    VM_OPERATIONS,
    VM_SNAPSHOTS,
)
from hypersdk.model.marks import CANCEL
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmoperation import OperationPhase
from hypersdk.settings import places
from tests.controlplane.api import Api
from tests.controlplane.caches import running
from tests.folders import open_folder
from tests.libvirt.backup_scene import (
    Scene,
    check_disks,
    checkpoints,
    data_disk,
    folder,
    hyperctl,
    keys,
    put_state,
    qemu_io,
    reason,
    secret,
    small_disk,
    state_of,
)
from tests.libvirt.benches import lone_bench
from tests.libvirt.conftest import Libvirtd
from tests.s3.server import BUCKET, served

pytestmark = [
    pytest.mark.libvirt,
    pytest.mark.s3,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]


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


async def test_controller_killed_while_the_store_hangs_leaves_no_half(scene: Scene) -> None:
    name = "killed"
    await scene.guest.run("dd if=/dev/urandom of=/srv/more bs=1M count=8 && sync")
    await scene.begin(name, incremental={"enabled": True})
    await scene.until(name, lambda job: job.is_over or job.status.phase == "Running")
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
    more: JsonObject = {"firmware": {"bootloader": "uefi"}, "devices": {"tpm": {}}}
    disks: JsonObject = {"disks": [{"name": "data", "size": "8Mi"}]}
    await scene.here.create("small", {}, memory="128Mi", running=False, **disks, **more)
    await scene.here.until_phase("small", Phase.STOPPED)
    disk = scene.here.controller.state / "disks" / f"{scene.here.vm('small').metadata.uid}-disk-data.qcow2"
    qemu_io(disk, "write -P 0x2a 1M 64k")
    put_state(scene, "small", b"as it was")
    vault = str(scene.here.controller.folder / "vault")
    source: JsonObject = {"provider": "libvirt", "vmName": "small"}
    job = await scene.back_up("at-home", {"type": "local", "bucket": vault}, source=source, format={"type": "raw"})
    assert (job.status.phase, reason(job, "Consistent")) == ("Completed", ("True", "PoweredOff")), job.status.wire()
    assert (job.status.output_path or "").startswith(f"{vault}/{scene.here.namespace}/small/at-home-")

    qemu_io(disk, "write -P 0x55 1M 64k")
    put_state(scene, "small", b"as it is now")
    refused = await scene.restore("no-overwrite", "at-home")
    assert (refused.status.phase, "overwrite" in (refused.status.error or "")) == ("Failed", True)
    await scene.begin_restore("back", {"type": "local", "path": job.status.output_path}, overwrite=True)
    done = await scene.restored("back")
    assert done.status.phase == "Completed", done.status.wire()
    qemu_io(disk, "read -P 0x2a 1M 64k")
    assert state_of(scene, "small") == {"nvram.fd": b"as it was, nvram", "tpm2-00.permall": b"as it was, tpm"}

    outside = await scene.back_up("outside", {"type": "local", "bucket": "/etc"}, source=source)
    assert reason(outside, "Succeeded") == ("False", "InvalidDestination")
    nfs = await scene.back_up("nfs", {"type": "nfs", "bucket": vault}, source=source)
    assert reason(nfs, "Succeeded") == ("False", "NotMounted")
    other: JsonObject = {"type": "local", "path": f"{vault}/another-namespace/small/x"}
    await scene.begin_restore("theirs", other, overwrite=True)
    theirs = await scene.restored("theirs")
    assert "only this namespace" in (theirs.status.error or "")


async def test_restore_to_a_new_name_brings_firmware_variables_and_tpm_too(scene: Scene) -> None:
    done = await scene.restore("beside", "at-home", renameVM="small-2")
    assert done.status.phase == "Completed", done.status.wire()
    uid = scene.here.vm("small-2").metadata.uid
    assert uid != scene.here.vm("small").metadata.uid
    qemu_io(scene.here.controller.state / "disks" / f"{uid}-disk-data.qcow2", "read -P 0x2a 1M 64k")
    assert state_of(scene, "small-2") == {"nvram.fd": b"as it was, nvram", "tpm2-00.permall": b"as it was, tpm"}


async def test_restore_in_place_over_a_snapshot_leaves_that_as_it_is(scene: Scene) -> None:
    disk = scene.here.controller.state / "disks" / f"{scene.here.vm('small').metadata.uid}-disk-data.qcow2"
    qemu_io(disk, "write -P 0x66 2M 64k")
    taken = await scene.operate("small", "snapshot", snapshotSpec={"name": "small-before"})
    assert taken.phase is OperationPhase.SUCCEEDED, taken.status.message
    (layer,) = disk.parent.glob(f"{disk.stem}@*")
    qemu_io(layer, "write -P 0x77 3M 64k")
    done = await scene.restore("over-layers", "at-home", overwrite=True)
    assert done.status.phase == "Completed", done.status.wire()
    qemu_io(layer, "read -P 0x2a 1M 64k", "read -P 0 2M 2M")
    qemu_io(disk, "read -P 0x2a 1M 64k", "read -P 0x66 2M 64k")
    back = await scene.operate("small", "restore", restoreSpec={"snapshotName": "small-before"})
    assert back.phase is OperationPhase.SUCCEEDED, back.status.message
    (layer,) = disk.parent.glob(f"{disk.stem}@*")
    qemu_io(layer, "read -P 0x66 2M 64k", "read -P 0 3M 64k")


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


async def test_disk_grows_after_the_backup_that_reads_it_and_a_snapshot_waits(scene: Scene) -> None:
    here, vault = scene.here, scene.here.controller.folder / "vault"
    with small_disk(vault) as enlarge:
        await scene.begin("growing", {"type": "local"})
        await scene.until("growing", lambda job: "No space left" in str(job.status.conditions))
        waiting = await scene.ask("web", "snapshot", snapshotSpec={"name": "meanwhile"})
        await scene.until_told(waiting, "waits for the backup growing")
        await here.client.patch(VIRTUAL_MACHINES, here.namespace, "web", data_disk("128Mi"))
        await here.until(lambda: here.reason("web", "RestartRequired") == "SpecChanged")
        found = condition(here.vm("web").status.conditions, "RestartRequired")
        assert found is not None
        assert "made larger once the backup" in (found.message or "")
        cancel: JsonObject = {"metadata": {"annotations": {CANCEL: ""}}}
        await here.client.patch(VM_OPERATIONS, *waiting, cancel)
        assert (await scene.operated(waiting)).phase is OperationPhase.CANCELLED
        assert [one.metadata.name for one in await here.client.list(VM_SNAPSHOTS, here.namespace)] == ["small-before"]
        enlarge()
        job = await scene.over("growing")
        assert job.status.phase == "Completed", job.status.wire()
        assert await scene.verified("growing") == ("True", "Restorable")
        manifest = json.loads((Path(job.status.output_path or "") / "manifest.json").read_text())
        assert {disk["name"]: disk["virtual_bytes"] >> 20 for disk in manifest["disks"]} == {"root": 256, "data": 64}
    await here.until(lambda: here.reason("web", "RestartRequired") == "")
    assert "131072 vdb" in await scene.guest.run("cat /proc/partitions")
    assert scene.left() == []


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
    check_disks(scene, "web-5", 2)
    assert (await hyperctl(scene, "backup delete by-hand")).code == 0
    assert scene.stored("nightly", "web", path.rpartition("/")[2]) == []
    refused = await hyperctl(scene, "backup create -vm web -name hopeless -secret wrong -bucket", BUCKET, *store[2:4])
    assert (refused.code, "not that of the access key" in refused.err) == (1, True), refused
