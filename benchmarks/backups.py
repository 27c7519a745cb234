"""A full backup of a running VM to a folder beside `qemu-img convert` of its disk, and how long a guest is frozen.

Both are safe on disk at the end; what is on the disk cannot be made smaller.
"""

import asyncio
import os
import shutil
from pathlib import Path

from benchmarks.figures import Figure, median
from benchmarks.node import NAMESPACE, Node, command
from benchmarks.running import seconds
from hyperctl.guest.image import build
from hypersdk.kube.cache import Cache
from hypersdk.kube.watch import Watch
from hypersdk.model.backupjob import BackupJob
from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import BACKUP_JOBS, VIRTUAL_MACHINES
from hypersdk.settings import places
from tests.controlplane.caches import running, until

TURNS = 5
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
        await node.delete("full")
        frozen = await _frozen(node, jobs)
    return [
        *plain,
        *packed,
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
