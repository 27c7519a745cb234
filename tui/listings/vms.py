"""The rows of the VM list."""

from typing import Final

from hypersdk.model.virtualmachine import VirtualMachine
from tui.cells import Cells
from tui.columns import SORTS, Glance, cells, columns
from tui.filter import wanted
from tui.listing import Listing, Sight


def _cells(vm: VirtualMachine, sight: Sight) -> Cells:
    feed = sight.feed
    glance = Glance(sight.now, sight.glyphs, feed.pending(vm.key), feed.trends.of(vm.key))
    return cells(vm, glance, sight.columns)


VMS: Final = Listing(
    word="VMs",
    columns=columns,
    cells=_cells,
    sorts=SORTS,
    wanted=wanted,
    cache=lambda feed: feed.vms,
    moved=lambda changes: changes.vms,
)
