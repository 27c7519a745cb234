"""A backup of a running VM to a folder beside `qemu-img convert` of its disk, its restore beside the same by hand.

All of it is safe on disk at the end; what is on the disk cannot be made smaller. And how long a guest is frozen.
"""

import asyncio
import os
import shutil
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.figures import Figure, median
from benchmarks.node import NAMESPACE, Node, command
from benchmarks.running import renamed, seconds
from hyperctl.guest.image import build
from hypersdk.kube.cache import Cache
from hypersdk.kube.watch import Watch
from hypersdk.model.backupjob import BackupJob
from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import BACKUP_JOBS, RESTORE_JOBS, VIRTUAL_MACHINES
from hypersdk.model.restorejob import RestoreJob
from hypersdk.settings import places
from tests.controlplane.caches import running, until

TURNS = 5
PEER = "by-hand"
MIB = 1024
"""Of random bytes on the disk, which nothing makes smaller."""
WITHIN_S = 300.0
PROMISED = 1.3
"""By zstd. What is not packed is hashed all the same, which qemu-img need not do."""


async def run(node: Node) -> list[Figure]:
    """Seconds each; ours and the peer's turns alternate, so that both see the same machine."""
    jobs: Cache[BackupJob] = Cache()
    async with running(Watch(node.client, BACKUP_JOBS, jobs)):
        disk = await _full_disk(node)
        plain = await _compared(node, jobs, disk, packed=False)
        packed = await _compared(node, jobs, disk, packed=True)
        restored = [*await _restores(node, jobs, packed=False), *await _restores(node, jobs, packed=True)]
        await node.delete("full")
        frozen = await _frozen(node, jobs)
    return [
        *plain,
        *packed,
        *restored,
        Figure("backup: the longest that a guest was frozen", max(frozen) / 1000, "s", promise=0.5),
    ]


async def _compared(node: Node, jobs: Cache[BackupJob], disk: Path, *, packed: bool) -> list[Figure]:
    ours, peer = [], []
    kind = "packed" if packed else "plain"
    for turn in range(TURNS):
        name = f"{kind}-{turn}"
        ours.append(await seconds(_backed_up(node, jobs, name, "full", packed=packed)))
        await _removed(node, name)
        peer.append(await seconds(_converted(node, disk, packed=packed)))
    how = "convert -c -o compression_type=zstd" if packed else "convert"
    return [
        Figure(f"backup: {MIB} MiB of a running VM to a folder{', by zstd' if packed else ''}", median(ours), "s"),
        Figure(f"backup: qemu-img {how} of the same disk, and sync", median(peer), "s"),
        Figure(
            f"backup: ours to qemu-img's, {kind}",
            median(ours) / median(peer),
            "ratio",
            promise=PROMISED if packed else None,
        ),
        Figure(f"backup: throughput, {kind}", MIB / median(ours), "MiB/s"),
    ]


async def _restores(node: Node, backups: Cache[BackupJob], *, packed: bool) -> list[Figure]:
    """To a new VM that runs, beside its disk by zstd and qemu-img and a domain by virsh."""
    kind = "packed" if packed else "plain"
    source, ours, peer = f"kept-{kind}", [], []
    await _backed_up(node, backups, source, "full", packed=packed)
    jobs: Cache[RestoreJob] = Cache()
    async with running(Watch(node.client, RESTORE_JOBS, jobs)):
        for turn in range(TURNS):
            name = f"back-{kind}-{turn}"
            await command("sync")
            ours.append(await seconds(_restored(node, jobs, name, source)))
            await node.delete(name)
            await command("sync")
            peer.append(await seconds(_by_hand(node, backups, source, packed=packed)))
            await _forgotten(node)
    await _removed(node, source)
    what = "zstd -d" if packed else "cat"
    return [
        Figure(f"restore: {MIB} MiB from a folder to a VM that runs, {kind}", median(ours), "s"),
        Figure(f"restore: {what} of the same, sync, virsh define, virsh start", median(peer), "s"),
        Figure(f"restore: ours to that by hand, {kind}", median(ours) / median(peer), "ratio"),
    ]


async def _restored(node: Node, jobs: Cache[RestoreJob], name: str, backup: str) -> None:
    spec: JsonObject = {
        "source": {"type": "backup-ref", "backupJobRef": {"name": backup}},
        "destination": {"provider": "libvirt"},
        "options": {"renameVM": name, "powerOnAfterRestore": True},
    }
    await node.client.create(RESTORE_JOBS, NAMESPACE, {"metadata": {"name": name}, "spec": spec})

    def is_over() -> bool:
        job = jobs.get(NAMESPACE, name)
        return job is not None and job.is_over

    await until(jobs, is_over, WITHIN_S)
    job = jobs.objects[(NAMESPACE, name)]
    if job.status.phase != "Completed":
        raise SystemExit(f"the restore failed: {job.status.error}")


async def _by_hand(node: Node, jobs: Cache[BackupJob], backup: str, *, packed: bool) -> None:
    """As docs/tasks/backups.md has it for whoever has nothing but the folder."""
    folder, disk = Path(jobs.objects[(NAMESPACE, backup)].status.output_path or ""), _peers_disk(node)
    how = "zstd -d" if packed else "cat"
    await command("sh", "-c", f'cat "$1"/data.qcow2*.0* | {how} > "$2"', "sh", str(folder), str(disk))
    await command("sync", str(disk))
    xml = ElementTree.fromstring(await node.virsh("dumpxml", "--inactive", "default.full"))
    renamed(xml, PEER, disk.parent)
    definition = disk.with_suffix(".xml")
    definition.write_text(ElementTree.tostring(xml, encoding="unicode"))
    await node.virsh("define", str(definition))
    await node.virsh("start", PEER)


async def _forgotten(node: Node) -> None:
    await node.virsh("destroy", PEER)
    await node.virsh("undefine", PEER)
    _peers_disk(node).unlink()


def _peers_disk(node: Node) -> Path:
    """Among the disks of the VMs: on the same file system, open to QEMU."""
    return node.folder / "node" / "disks" / f"{PEER}.qcow2"


async def _full_disk(node: Node) -> Path:
    """The disk of a running VM, with that much on it."""
    spec: JsonObject = {"cpus": 1, "memory": "32Mi", "running": False, "disks": [{"name": "data", "size": "2Gi"}]}
    made = await node.client.create(VIRTUAL_MACHINES, NAMESPACE, {"metadata": {"name": "full"}, "spec": spec})
    disk = node.folder / "node" / "disks" / f"{made.metadata.uid}-disk-data.qcow2"
    await node.until(lambda: disk.exists(), 60)
    noise = node.folder / "noise"
    await asyncio.to_thread(noise.write_bytes, os.urandom(MIB << 20))
    await command("qemu-img", "convert", "-n", "-f", "raw", "-O", "qcow2", str(noise), str(disk))
    await node.client.patch(VIRTUAL_MACHINES, NAMESPACE, "full", {"spec": {"running": True}})
    await node.until_running("full")
    return disk


async def _backed_up(node: Node, jobs: Cache[BackupJob], name: str, vm: str, *, packed: bool = False) -> None:
    spec: JsonObject = {"source": {"provider": "libvirt", "vmName": vm}, "destination": {"type": "local"}}
    if not packed:
        spec["format"] = {"type": "qcow2"}
    await node.client.create(BACKUP_JOBS, NAMESPACE, {"metadata": {"name": name}, "spec": spec})
    await until(jobs, lambda: _is_over(jobs, name), WITHIN_S)
    job = jobs.objects[(NAMESPACE, name)]
    if job.status.phase != "Completed":
        raise SystemExit(f"the backup failed: {job.status.error}")


def _is_over(jobs: Cache[BackupJob], name: str) -> bool:
    job = jobs.get(NAMESPACE, name)
    return job is not None and job.is_over


async def _removed(node: Node, name: str) -> None:
    await node.client.delete(BACKUP_JOBS, NAMESPACE, name)
    await asyncio.to_thread(shutil.rmtree, node.folder / "vault" / NAMESPACE)


async def _converted(node: Node, disk: Path, *, packed: bool) -> None:
    copy = node.folder / "vault" / "copy.qcow2"
    how = ("-c", "-o", "compression_type=zstd") if packed else ()
    await command("qemu-img", "convert", "-U", "-f", "qcow2", "-O", "qcow2", *how, str(disk), str(copy))
    await command("sync", str(copy))
    await asyncio.to_thread(copy.unlink)


async def _frozen(node: Node, jobs: Cache[BackupJob]) -> list[int]:
    """Milliseconds, of a Linux guest with an agent."""
    image = await asyncio.to_thread(build, places(os.environ).cache, print)
    demo = await asyncio.to_thread(shutil.copy, image, node.folder / "images" / "demo.qcow2")
    spec: JsonObject = {"cpus": 1, "memory": "192Mi", "image": {"source": f"file://{demo}"}}
    await node.client.create(VIRTUAL_MACHINES, NAMESPACE, {"metadata": {"name": "linux"}, "spec": spec})
    await node.until(lambda: _answers(node), 120)
    for turn in range(TURNS):
        await _backed_up(node, jobs, f"frozen-{turn}", "linux")
    await node.delete("linux")
    return [jobs.objects[(NAMESPACE, f"frozen-{turn}")].status.freeze_milliseconds or 9999 for turn in range(TURNS)]


def _answers(node: Node) -> bool:
    vm = node.vms.get(NAMESPACE, "linux")
    return vm is not None and vm.status.guest_agent is not None and bool(vm.status.guest_agent.connected)
