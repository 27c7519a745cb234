"""The rows of the VM list: which VMs, in which order, kept right by touching only what changed."""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from hypersdk.model.virtualmachine import VirtualMachine
from tui.cells import Key
from tui.columns import SORTS, SortKey
from tui.filter import Wanted, wanted

Ranked = tuple[SortKey, SortKey, Key]


@dataclass
class Fleet:
    """A filtered, sorted view of VMs that are kept elsewhere."""

    look_up: Callable[[Key], VirtualMachine | None]
    sort: str = "name"
    descending: bool = False
    _wanted: Wanted = field(default_factory=lambda: wanted(""))
    _ranked: list[Ranked] = field(default_factory=list)
    _rank_of: dict[Key, Ranked] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._ranked)

    @property
    def order(self) -> list[Key]:
        """The keys, first row first."""
        keys = [key for _, _, key in self._ranked]
        return keys[::-1] if self.descending else keys

    def filter_by(self, typed: str) -> None:
        """Another filter; call `rebuild` after it."""
        self._wanted = wanted(typed)

    def sort_by(self, column: str) -> None:
        """Another order, or the same one turned around; call `rebuild` after it."""
        self.descending = column == self.sort and not self.descending
        self.sort = column

    def rebuild(self, vms: Iterable[VirtualMachine]) -> None:
        """Look at every VM."""
        self._ranked = sorted(self._rank(vm) for vm in vms if self._wanted(vm))
        self._rank_of = {ranked[2]: ranked for ranked in self._ranked}

    def update(self, keys: Iterable[Key]) -> bool:
        """Look again at these; whether any row came, went or moved."""
        return sum(self._update(key) for key in keys) > 0

    def _update(self, key: Key) -> bool:
        vm, old = self.look_up(key), self._rank_of.get(key)
        new = self._rank(vm) if vm is not None and self._wanted(vm) else None
        if new == old:
            return False
        if old is not None:
            del self._ranked[bisect_left(self._ranked, old)]
            del self._rank_of[key]
        if new is not None:
            insort(self._ranked, new)
            self._rank_of[key] = new
        return True

    def _rank(self, vm: VirtualMachine) -> Ranked:
        by_name = SORTS["name"](vm)
        return (by_name if self.sort == "name" else SORTS[self.sort](vm), by_name, vm.key)
