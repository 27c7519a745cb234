"""The one table of verbs.

What does them is imported when it is done: the command line's --help reads the table, and has no time for the models.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from hypersdk.errors import UsageError
from hypersdk.verbs.verb import Danger, Outcome, Param, Progress, Values, Verb

if TYPE_CHECKING:
    from hypersdk.kube.client import Client
    from hypersdk.model.base import JsonObject
    from hypersdk.model.virtualmachine import VirtualMachine

SNAPSHOT_NAME = Param("name", "str", "the snapshot's name; one made of the VM's and the time when left out")
WITH_MEMORY = Param("memory", "bool", "with its memory, so that the guest goes on from there")
UNFROZEN = Param("no-quiesce", "bool", "do not have the guest agent write everything out first")
DESCRIPTION = Param("description", "str", "what it is for")
SNAPSHOT_OF = Param("snapshot", "str", "the snapshot's name", required=True, names="snapshot")
SNAPSHOT_WITHIN = "1h"
FORCE = Param("force", "bool", "cut the power instead of asking the guest")
CPUS = Param("cpus", "int", "vCPUs, 1 to 128; as many as now when left out")
MEMORY = Param("memory", "str", "such as 16Gi; as much as now when left out")
HOTPLUG = Param("hotplug", "bool", "wait until the running guest has it")
TARGET = Param("target", "str", "the name of the new VM; % in it is the name of this one", required=True)
LINKED = Param("linked", "bool", "share what is on the disks now instead of copying it")
CLONE_OF = Param("snapshot", "str", "as it was in this snapshot; as it is now when left out", names="snapshot")
START_IT = Param("start", "bool", "start it when it is made")
CLONE_WITHIN = "24h"
NODE = Param("node", "str", "where to; the best other node when left out", names="node")
LIVE = Param("live", "bool", "while it runs, which is what is done unless --offline says otherwise")
OFFLINE = Param("offline", "bool", "power it off, move it, and power it on there")
BANDWIDTH = Param("bandwidth", "str", "at most so much of the network, such as 500Mbps")
UNTHROTTLED = Param("no-auto-converge", "bool", "do not slow down a guest that writes faster than can be copied")
MIGRATE_WITHIN = "24h"
STORE = Param("type", "str", "s3, local or nfs; s3 when left out")
BUCKET = Param("bucket", "str", "the bucket; of local and nfs the folder on the node", required=True)
PREFIX = Param("prefix", "str", "a folder in it")
SECRET = Param("secret", "str", "the Secret with its keys; else the node's own account")
ENDPOINT = Param("endpoint", "str", "URL of the object store; AWS when left out")
INCREMENTAL = Param("incremental", "bool", "store what changed since the last one; the first one is full")
TEMPLATE_NAME = Param("name", "str", "the template's name; % in it is the name of this VM", required=True)
KEEP = Param("keep-disks", "bool", "leave its disks on the node, where the Event DisksKept says")


async def _operate(
    client: "Client", vm: "VirtualMachine", operation: str, extra: "JsonObject", progress: Progress
) -> Outcome:
    from hypersdk.verbs.operation import operate

    return await operate(client, vm, operation, extra, progress)


async def _start(client: "Client", vm: "VirtualMachine", values: Values, progress: Progress) -> Outcome:
    return await _operate(client, vm, "start", {}, progress)


async def _stop(client: "Client", vm: "VirtualMachine", values: Values, progress: Progress) -> Outcome:
    return await _operate(client, vm, "stop", _forced(values), progress)


async def _restart(client: "Client", vm: "VirtualMachine", values: Values, progress: Progress) -> Outcome:
    return await _operate(client, vm, "restart", _forced(values), progress)


async def _pause(client: "Client", vm: "VirtualMachine", values: Values, progress: Progress) -> Outcome:
    return await _operate(client, vm, "pause", {}, progress)


async def _resume(client: "Client", vm: "VirtualMachine", values: Values, progress: Progress) -> Outcome:
    return await _operate(client, vm, "resume", {}, progress)


async def _delete(client: "Client", vm: "VirtualMachine", values: Values, progress: Progress) -> Outcome:
    from hypersdk.model.kinds import VIRTUAL_MACHINES
    from hypersdk.model.marks import KEEP_DISKS
    from hypersdk.verbs.operation import gone

    namespace = vm.metadata.namespace or "default"
    if values.get(KEEP.name):
        marked: JsonObject = {"metadata": {"uid": vm.metadata.uid, "annotations": {KEEP_DISKS: "true"}}}
        await client.patch(VIRTUAL_MACHINES, namespace, vm.metadata.name, marked)
    await client.delete(VIRTUAL_MACHINES, namespace, vm.metadata.name, uid=vm.metadata.uid)
    return await gone(client, vm, progress)


async def _resize(client: "Client", vm: "VirtualMachine", values: Values, progress: Progress) -> Outcome:
    size: JsonObject = {name: values[name] for name in (CPUS.name, MEMORY.name) if values.get(name)}
    if not size:
        raise UsageError(f"resize {vm.metadata.name} to what? Say -cpus, -memory or both")
    size[HOTPLUG.name] = bool(values.get(HOTPLUG.name))
    return await _operate(client, vm, "resize", {"resizeSpec": size}, progress)


async def _clone(client: "Client", vm: "VirtualMachine", values: Values, progress: Progress) -> Outcome:
    target = str(values.get(TARGET.name) or "").replace("%", vm.metadata.name)
    if not target:
        raise UsageError(f"clone {vm.metadata.name} as what? Say -target and the name of the new VM")
    how: JsonObject = {"targetName": target, "linkedClone": bool(values.get(LINKED.name))}
    how["startAfterClone"] = bool(values.get(START_IT.name))
    if snapshot := values.get(CLONE_OF.name):
        how["snapshotRef"] = {"name": str(snapshot)}
    # Large disks take their time; whoever waits can end it.
    return await _operate(client, vm, "clone", {"cloneSpec": how, "timeout": CLONE_WITHIN}, progress)


async def _snapshot(client: "Client", vm: "VirtualMachine", values: Values, progress: Progress) -> Outcome:
    how: JsonObject = {
        "includeMemory": bool(values.get(WITH_MEMORY.name)),
        "quiesce": not values.get(UNFROZEN.name),
    }
    for param in (SNAPSHOT_NAME, DESCRIPTION):
        if word := values.get(param.name):
            how[param.name] = str(word).replace("%", vm.metadata.name)
    # Saving a large memory takes its time; whoever waits can end it.
    return await _operate(client, vm, "snapshot", {"snapshotSpec": how, "timeout": SNAPSHOT_WITHIN}, progress)


async def _restore(client: "Client", vm: "VirtualMachine", values: Values, progress: Progress) -> Outcome:
    name = str(values.get(SNAPSHOT_OF.name) or "").replace("%", vm.metadata.name)
    if not name:
        raise UsageError(f"return {vm.metadata.name} to what? Say -snapshot and the name of one of its snapshots")
    extra: JsonObject = {"restoreSpec": {"snapshotName": name}, "timeout": SNAPSHOT_WITHIN}
    return await _operate(client, vm, "restore", extra, progress)


async def _migrate(client: "Client", vm: "VirtualMachine", values: Values, progress: Progress) -> Outcome:
    offline = bool(values.get(OFFLINE.name))
    if offline and values.get(LIVE.name):
        raise UsageError("--live and --offline: say one of them")
    how: JsonObject = {"live": not offline, "autoConverge": not values.get(UNTHROTTLED.name)}
    if node := values.get(NODE.name):
        how["targetNode"] = str(node)
    if bandwidth := values.get(BANDWIDTH.name):
        how["bandwidth"] = str(bandwidth)
    extra: JsonObject = {"migrateSpec": how, "timeout": MIGRATE_WITHIN}
    return await _operate(client, vm, "migrate", extra | _forced(values), progress)


async def _back_up(client: "Client", vm: "VirtualMachine", values: Values, progress: Progress) -> Outcome:
    from hypersdk.verbs.backups import backup_spec, make, stamp

    name = f"{vm.metadata.name}-backup-{stamp()}"
    return await make(client, vm.key[0], name, backup_spec(vm.metadata.name, values), progress)


async def _make_template(client: "Client", vm: "VirtualMachine", values: Values, progress: Progress) -> Outcome:
    from hypersdk.verbs.templates import make

    name = str(values.get(TEMPLATE_NAME.name) or "").replace("%", vm.metadata.name)
    return await make(client, vm, name, progress)


def _forced(values: Values) -> "JsonObject":
    return {"force": True} if values.get("force") else {}


def _always(vm: "VirtualMachine") -> str:
    return ""


def _only_in(*phases: str) -> "Callable[[VirtualMachine], str]":
    """A refusal in every phase but these."""
    return lambda vm: "" if vm.phase in phases else f"{vm.metadata.name} is {vm.phase}"


_WHEN_OFF = _only_in("Stopped", "Failed")
_WHEN_ON = _only_in("Running", "Paused", "Unknown", "Creating")

START = Verb("vm.start", "Start", "power on", Danger.NONE, _WHEN_OFF, _start)
STOP = Verb("vm.stop", "Stop", "shut the guest down", Danger.CONFIRM, _WHEN_ON, _stop, (FORCE,))
RESTART = Verb(
    "vm.restart", "Restart", "shut the guest down and power on again", Danger.CONFIRM, _WHEN_ON, _restart, (FORCE,)
)
PAUSE = Verb("vm.pause", "Pause", "hold the guest where it is", Danger.CONFIRM, _only_in("Running", "Unknown"), _pause)
RESUME = Verb("vm.resume", "Resume", "let a paused guest run on", Danger.NONE, _only_in("Paused", "Unknown"), _resume)
CLONE = Verb(
    "vm.clone",
    "Clone",
    "make another VM with the same disks",
    Danger.CONFIRM,
    _always,
    _clone,
    (TARGET, LINKED, START_IT, CLONE_OF),
    is_common=False,
)
MIGRATE = Verb(
    "vm.migrate",
    "Migrate",
    "move it to another node",
    Danger.CONFIRM,
    _only_in("Running", "Paused", "Stopped", "Failed"),
    _migrate,
    (NODE, LIVE, OFFLINE, BANDWIDTH, UNTHROTTLED, FORCE),
    is_common=False,
)
SNAPSHOT = Verb(
    "vm.snapshot",
    "Snapshot",
    "keep its disks as they are now",
    Danger.CONFIRM,
    _always,
    _snapshot,
    (SNAPSHOT_NAME, WITH_MEMORY, UNFROZEN, DESCRIPTION),
    is_common=False,
    words=("snapshot", "create"),
)
RESTORE = Verb(
    "vm.restore",
    "Restore",
    "return it to a snapshot: what was written since is lost",
    Danger.NAME,
    _always,
    _restore,
    (SNAPSHOT_OF,),
    is_common=False,
    words=("snapshot", "restore"),
)
DELETE = Verb("vm.delete", "Delete", "remove the VM and its disks", Danger.NAME, _always, _delete, (KEEP,))

RESIZE = Verb(
    "vm.resize",
    "Resize",
    "give it other CPUs and memory",
    Danger.CONFIRM,
    _always,
    _resize,
    (CPUS, MEMORY, HOTPLUG),
    is_common=False,
)

BACK_UP = Verb(
    "vm.back-up",
    "Back up",
    "store its disks outside the node",
    Danger.CONFIRM,
    _always,
    _back_up,
    (BUCKET, PREFIX, SECRET, ENDPOINT, STORE, INCREMENTAL),
    is_common=False,
    words=("backup", "create"),
    line=lambda vm: ["backup", "create", "-vm", vm.metadata.name],
)
MAKE_TEMPLATE = Verb(
    "vm.make-template",
    "Template",
    "make a template of it",
    Danger.CONFIRM,
    _only_in("Stopped"),
    _make_template,
    (TEMPLATE_NAME,),
    is_common=False,
    words=("template", "create"),
    line=lambda vm: ["template", "create", "-from", vm.metadata.name],
)

VERBS: tuple[Verb, ...] = (
    START, STOP, RESTART, PAUSE, RESUME, RESIZE, CLONE, MIGRATE, SNAPSHOT, RESTORE, BACK_UP, MAKE_TEMPLATE, DELETE,
)  # fmt: skip


def verb(word: str) -> Verb:
    """The verb of that id or CLI word; UsageError when there is none."""
    found = next((one for one in VERBS if word in {one.id, one.word}), None)
    if found is None:
        known = ", ".join(one.word for one in VERBS)
        raise UsageError(f"there is no verb {word!r}; there are: {known}")
    return found
