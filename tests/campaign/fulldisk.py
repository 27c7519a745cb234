"""The node's state folder is full: guests run on, what can be done is done, and the rest says why and goes on later."""

import errno
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.campaign.machine import Expected, Machine
from tests.campaign.outages import Outcome
from tests.campaign.stage import Stage

SIZE = "192m"
WORDS = {"DiskFailed", "InsufficientStorage"}
_PIECE = 1 << 16


async def full_disk(stage: Stage) -> Outcome:
    """Fill it under a running guest, restart controller and guest, begin another VM, make room."""
    scene, steady, late = stage.scene, stage.steady, Machine("late")
    filler, began = scene.controller.state / "filler", time.monotonic()
    _fill(filler)
    await scene.controller.kill()
    await scene.controller.start()
    await scene.settled(steady)
    scene.check(steady)
    await scene.operate(steady, "restart", force=True)
    steady.boots, steady.pid = steady.boots + 1, 0
    await scene.settled(steady)
    scene.check(steady)
    await scene.create(late, scene.known_file())
    await scene.bench.until(lambda: _why(stage, late) in WORDS)
    filler.unlink()
    lasted = time.monotonic() - began
    await scene.operate(late, "start")
    late.state, late.boots = Expected.RUNNING, 1
    await scene.settled(late)
    scene.check(late)
    back = time.monotonic() - began - lasted
    await scene.delete(late)
    late.state = Expected.ABSENT
    await scene.settled(late)
    return Outcome("the node's disk full", lasted, back)


def _why(stage: Stage, machine: Machine) -> str:
    """Why the VM has no disks."""
    vm = stage.scene.bench.vms.get(stage.scene.bench.namespace, machine.name)
    return stage.scene.bench.reason(machine.name, "DiskReady") if vm is not None else ""


def _fill(path: Path) -> None:
    """Write until not one byte more can be written."""
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * _PIECE):
                pass
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A small file system of its own in that folder; made before the libvirtd that is to see it."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=755", "small", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
