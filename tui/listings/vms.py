"""The rows of the VM list."""

from typing import TYPE_CHECKING, Final

from tui.cells import Cells
from tui.columns import SORTS, Glance, cells, columns
from tui.filter import wanted
from tui.listing import Listing, Sight

if TYPE_CHECKING:
    from hypersdk.model.virtualmachine import VirtualMachine


def _cells(vm: "VirtualMachine", sight: Sight) -> Cells:
    feed = sight.feed
    glance = Glance(sight.now, sight.glyphs, feed.pending(vm.key), feed.trends.of(vm.key))
    return cells(vm, glance, sight.columns)


VMS: Final = Listing["VirtualMachine"](
    word="VMs",
    columns=columns,
    cells=_cells,
    sorts=SORTS,
    wanted=wanted,
    cache=lambda feed: feed.vms,
    moved=lambda changes: changes.vms,
)
