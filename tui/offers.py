"""Which names fit into a field of a dialog? Those of the VM's snapshots, of the nodes that it could go to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hypersdk.model.base import condition
from hypersdk.model.kinds import VM_SNAPSHOTS
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmnode import NodeConditionType
from hypersdk.verbs.verb import Param

if TYPE_CHECKING:
    from hypersdk.model.base import Resource
    from hypersdk.model.vmnode import VMNode
    from hypersdk.model.vmsnapshot import VMSnapshot
    from tui.feed import Feed

_EVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Offers:
    """What can be said of the objects that a dialog is about."""

    feed: "Feed | None"
    items: "Sequence[Resource]"

    def names(self, param: Param) -> Sequence[str]:
        """The names that make sense for it now, the likeliest first."""
        vms = [one for one in self.items if isinstance(one, VirtualMachine)]
        if self.feed is None or not vms:
            return ()
        if param.names == "node":
            here = {vm.status.node_name for vm in vms}
            return sorted(
                node.metadata.name for node in self.feed.nodes if _is_open(node) and node.metadata.name not in here
            )
        if param.names == "snapshot" and len(vms) == 1:
            kept = [one for one in self.feed.follow(VM_SNAPSHOTS) if _is_of(one, vms[0])]
            newest = sorted(kept, key=lambda one: one.metadata.creation_timestamp or _EVER, reverse=True)
            return [one.metadata.name for one in newest]
        return ()

    def none(self, param: Param) -> str:
        """What to say when there are none; nothing as long as that is not known."""
        if self.feed is None or param.names != "snapshot" or len(self.items) != 1:
            return ""
        return "  no snapshot of it is ready" if self.feed.follow(VM_SNAPSHOTS).synced.is_set() else ""

    def subscribe(self, param: Param, tell: Callable[[object], None]) -> Callable[[], None] | None:
        """Tell when they may have changed; how to stop that."""
        if self.feed is None or not param.names:
            return None
        if param.names == "node":
            return self.feed.nodes.subscribe(tell)
        return self.feed.follow(VM_SNAPSHOTS).subscribe(tell)


def _is_of(snapshot: "VMSnapshot", vm: VirtualMachine) -> bool:
    return snapshot.machine == vm.key and bool(snapshot.status.ready_to_restore)


def _is_open(node: "VMNode") -> bool:
    ready = condition(node.status.conditions, NodeConditionType.READY)
    return not node.spec.unschedulable and ready is not None and ready.status == "True"
