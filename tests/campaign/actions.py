"""What is done to VMs while the controller is killed: each with what must come of it, and when a kill may hit it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from tests.campaign.machine import Expected, Machine
from tests.campaign.scene import Scene

OVMF = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
ROOT: list[JsonValue] = [{"name": "root", "size": "1Gi"}]
MOST_DISKS = 3
ABSENT, RUNNING, STOPPED, PAUSED = Expected.ABSENT, Expected.RUNNING, Expected.STOPPED, Expected.PAUSED
AT_ONCE = ""
"""The moment when the request was taken."""
DEFINING = ("step=Define", "event=Created")
STARTING = ("step=Start", "step=AttachConsole", "step=Resume", "step=SetPower(on)", "event=Started")
ASKING = ("step=SetPower(off)", "step=AskShutdown", "event=Stopping")
CUTTING = ("step=SetPower(off)", "step=Destroy", "event=PowerCut")
OPERATION = ("phase=Running", "phase=Succeeded")
CHANGING = ("step=ChangeLive", "event=ChangedLive", "step=Define")
REMOVING = ("step=Undefine", "event=Deleted")


@dataclass(frozen=True)
class Action:
    """One thing that is asked for."""

    name: str
    stage: str
    """Which part of a VM's life the kill falls into."""
    before: Expected
    after: Expected
    boots: int
    do: Callable[[Scene, Machine], Awaitable[None]]
    moments: tuple[str, ...]
    """Words of the controller's log, with the VM's name in the same line, after which it is killed."""
    is_long: bool = False
    """Left out of a short campaign."""
    same_run: bool = False
    """The QEMU of before is the one of afterwards."""


async def _create(scene: Scene, machine: Machine) -> None:
    machine.mute = False
    await scene.create(machine, scene.known_file(), disks=ROOT)


async def _import_file(scene: Scene, machine: Machine) -> None:
    machine.mute = False
    await scene.create(machine, scene.fresh_file(), disks=[*ROOT, {"name": "data", "size": "1Gi"}])


async def _import_url(scene: Scene, machine: Machine) -> None:
    machine.mute = False
    await scene.create(machine, scene.fresh_url(), disks=ROOT)


async def _create_off(scene: Scene, machine: Machine) -> None:
    machine.mute = False
    await scene.create(
        machine, scene.known_file(), disks=ROOT, running=False, cloudInit={"userData": "#cloud-config\n"}
    )


async def _create_uefi(scene: Scene, machine: Machine) -> None:
    machine.mute = True
    await scene.create(machine, scene.known_file(), memory="128Mi", firmware={"bootloader": "uefi"})


async def _create_and_delete(scene: Scene, machine: Machine) -> None:
    await scene.create(machine, scene.fresh_url())
    await scene.delete(machine)


async def _start(scene: Scene, machine: Machine) -> None:
    await scene.operate(machine, "start")


async def _stop(scene: Scene, machine: Machine) -> None:
    await scene.operate(machine, "stop", force=machine.mute)


async def _force_stop(scene: Scene, machine: Machine) -> None:
    await scene.operate(machine, "stop", force=True)


async def _stop_by_spec(scene: Scene, machine: Machine) -> None:
    if machine.mute:
        await scene.operate(machine, "stop", force=True)
    else:
        await scene.change(machine, {"running": False})


async def _restart(scene: Scene, machine: Machine) -> None:
    await scene.operate(machine, "restart", force=machine.mute)


async def _force_restart(scene: Scene, machine: Machine) -> None:
    await scene.operate(machine, "restart", force=True)


async def _pause(scene: Scene, machine: Machine) -> None:
    await scene.operate(machine, "pause")


async def _resume(scene: Scene, machine: Machine) -> None:
    await scene.operate(machine, "resume")


async def _resize(scene: Scene, machine: Machine) -> None:
    vm = scene.bench.vm(machine.name)
    await scene.change(machine, {"memory": "48Mi" if vm.spec.memory != "48Mi" else "40Mi"})


async def _plug(scene: Scene, machine: Machine) -> None:
    """One disk more, or the last one out again."""
    disks = [disk.wire() for disk in scene.bench.vm(machine.name).spec.disks or []]
    more: list[JsonValue] = [*disks, {"name": f"plugged-{len(disks)}", "size": "64Mi"}]
    await scene.change(machine, {"disks": more if len(disks) < MOST_DISKS else [*disks[:-1]]})


async def _snapshot(scene: Scene, machine: Machine) -> None:
    await scene.operate(machine, "snapshot", more={"snapshotSpec": {}})


async def _save(scene: Scene, machine: Machine) -> None:
    await scene.operate(machine, "snapshot", more={"snapshotSpec": {"includeMemory": True}})


async def _return(scene: Scene, machine: Machine) -> None:
    """To a snapshot that is taken just before; which of two that are asked for in one second comes first is open."""
    name = f"{machine.name}-{len(scene.asked)}"
    await scene.operate(machine, "snapshot", more={"snapshotSpec": {"name": name}})
    await scene.all_over()
    await scene.operate(machine, "restore", more={"restoreSpec": {"snapshotName": name}})


async def _drop_snapshots(scene: Scene, machine: Machine) -> None:
    await scene.drop_snapshots(machine)


async def _delete_by_operation(scene: Scene, machine: Machine) -> None:
    await scene.operate(machine, "delete")


async def _guest_off(scene: Scene, machine: Machine) -> None:
    if machine.mute:
        await scene.operate(machine, "stop", force=True)
    else:
        await scene.press_power(machine)


async def _delete(scene: Scene, machine: Machine) -> None:
    await scene.delete(machine)


ACTIONS = (
    Action("create from a known image", "define", ABSENT, RUNNING, 1, _create, (AT_ONCE, *DEFINING, *STARTING)),
    Action(
        *("import a file, create with two disks", "import", ABSENT, RUNNING, 1, _import_file),
        (AT_ONCE, "importing image", "event=Importing", "event=Imported", *DEFINING, *STARTING),
    ),
    Action(
        *("import over http, create", "import", ABSENT, RUNNING, 1, _import_url),
        (AT_ONCE, "importing image", "event=Importing", "event=Imported", *DEFINING, *STARTING),
    ),
    Action("create, off, with a seed", "disks", ABSENT, STOPPED, 0, _create_off, (AT_ONCE, *DEFINING)),
    Action("create with UEFI", "boot", ABSENT, RUNNING, 1, _create_uefi, (*DEFINING, *STARTING), is_long=True),
    Action(
        *("create, delete at once", "delete", ABSENT, ABSENT, 0, _create_and_delete),
        (AT_ONCE, "importing image", "event=Deleted"),
    ),
    Action("start", "boot", STOPPED, RUNNING, 1, _start, (AT_ONCE, *OPERATION, *STARTING)),
    Action("stop", "stop", RUNNING, STOPPED, 0, _stop, (AT_ONCE, *OPERATION, *ASKING)),
    Action("stop by spec.running", "stop", RUNNING, STOPPED, 0, _stop_by_spec, (AT_ONCE, *ASKING)),
    Action("stop by force", "force stop", RUNNING, STOPPED, 0, _force_stop, (AT_ONCE, *OPERATION, *ASKING)),
    Action("restart", "restart", RUNNING, RUNNING, 1, _restart, (AT_ONCE, *OPERATION, *ASKING, *STARTING)),
    Action(
        *("restart by force", "restart", RUNNING, RUNNING, 1, _force_restart),
        (AT_ONCE, *OPERATION, *CUTTING, *STARTING),
    ),
    Action(
        "change the spec",
        "change",
        RUNNING,
        RUNNING,
        0,
        _resize,
        (AT_ONCE, "step=Define", "event=Updated"),
        same_run=True,
    ),
    Action("plug a disk in or out", "change", RUNNING, RUNNING, 0, _plug, (AT_ONCE, *CHANGING), same_run=True),
    Action(
        *("delete by an operation", "delete", RUNNING, ABSENT, 0, _delete_by_operation),
        (AT_ONCE, "phase=Running", "step=Destroy", *REMOVING),
    ),
    Action("power off from within", "guest off", RUNNING, STOPPED, 0, _guest_off, (AT_ONCE, "event=GuestShutdown")),
    Action("delete while running", "delete", RUNNING, ABSENT, 0, _delete, (AT_ONCE, "step=Destroy", *REMOVING)),
    Action("delete while off", "delete", STOPPED, ABSENT, 0, _delete, (AT_ONCE, *REMOVING)),
)
PAUSING = (
    Action("pause", "pause", RUNNING, PAUSED, 0, _pause, (AT_ONCE, *OPERATION), same_run=True),
    Action("resume", "pause", PAUSED, RUNNING, 0, _resume, (AT_ONCE, *OPERATION), same_run=True),
    Action("stop by force while paused", "force stop", PAUSED, STOPPED, 0, _force_stop, (AT_ONCE, *OPERATION, *ASKING)),
    Action("delete while paused", "delete", PAUSED, ABSENT, 0, _delete, (AT_ONCE, "step=Destroy", *REMOVING)),
)

SNAPSHOTS = (
    Action("snapshot", "snapshot", RUNNING, RUNNING, 0, _snapshot, (AT_ONCE, *OPERATION), same_run=True),
    Action("snapshot with memory", "snapshot", RUNNING, RUNNING, 0, _save, (AT_ONCE, *OPERATION), same_run=True),
    Action("snapshot while off", "snapshot", STOPPED, STOPPED, 0, _snapshot, (AT_ONCE, *OPERATION)),
    Action("return to a snapshot", "restore", RUNNING, RUNNING, 1, _return, (AT_ONCE, *OPERATION, *STARTING)),
    Action("drop snapshots", "merge", RUNNING, RUNNING, 0, _drop_snapshots, (AT_ONCE, *OPERATION), same_run=True),
    Action("drop snapshots while off", "merge", STOPPED, STOPPED, 0, _drop_snapshots, (AT_ONCE, *OPERATION)),
)


def actions(*, long: bool) -> tuple[Action, ...]:
    """Those that this controller knows; the long ones only where they are wanted and the host has the firmware."""
    known = (*ACTIONS, *PAUSING, *(SNAPSHOTS if long else ()))
    can_be_long = long and OVMF.exists()
    return tuple(action for action in known if can_be_long or not action.is_long)
