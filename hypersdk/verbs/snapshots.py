"""What is done to a VMSnapshot: return to it, make another VM of it, merge it away."""

from hypersdk.kube.client import Client
from hypersdk.model.base import condition
from hypersdk.model.kinds import VIRTUAL_MACHINES, VM_SNAPSHOTS
from hypersdk.model.vmsnapshot import VMSnapshot
from hypersdk.verbs.operation import until
from hypersdk.verbs.table import CLONE, CLONE_OF, RESTORE, SNAPSHOT_OF
from hypersdk.verbs.verb import Outcome, Progress, Values


async def restore(client: Client, snapshot: VMSnapshot, progress: Progress) -> Outcome:
    """Return its VM to it."""
    vm = await client.get(VIRTUAL_MACHINES, *snapshot.machine)
    return await RESTORE.run(client, vm, {SNAPSHOT_OF.name: snapshot.metadata.name}, progress)


async def clone(client: Client, snapshot: VMSnapshot, values: Values, progress: Progress) -> Outcome:
    """Another VM as its VM was then."""
    vm = await client.get(VIRTUAL_MACHINES, *snapshot.machine)
    return await CLONE.run(client, vm, {**values, CLONE_OF.name: snapshot.metadata.name}, progress)


async def delete(client: Client, snapshot: VMSnapshot, progress: Progress) -> Outcome:
    """Have the node merge its layers; not ok when that has to wait for something."""
    namespace, name = snapshot.key
    await client.delete(VM_SNAPSHOTS, namespace, name, uid=snapshot.metadata.uid)

    def gone(now: VMSnapshot | None) -> Outcome | None:
        if now is None or now.metadata.uid != snapshot.metadata.uid:
            return Outcome(True, f"{name} is deleted")
        ready = condition(now.status.conditions, "Ready")
        words = (ready.message if ready else "") or ""
        if ready is not None and ready.reason == "LayerInUse":
            return Outcome(False, f"{words}; it goes by itself once that is so")
        progress(None, words or "waiting for the node to merge its layers")
        return None

    return await until(client, VM_SNAPSHOTS, (namespace, name), gone, progress=progress)
