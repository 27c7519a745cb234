"""How a VM's use of CPU and memory went lately, small enough for a cell of its row."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tui.braille import plot
from tui.cells import Key

if TYPE_CHECKING:
    from hypersdk.model.virtualmachine import VirtualMachine

TREND: Final = 5
"""Characters of a trend."""
KEPT: Final = 2 * TREND
"""Figures that are kept; in braille two of them share a character."""
_RAMP: Final = ".:-=+*#@"


@dataclass(frozen=True)
class Trend:
    """Shares from 0 to 1, oldest first."""

    cpu: Sequence[float] = ()
    memory: Sequence[float] = ()


NO_TREND: Final = Trend()


@dataclass
class Trends:
    """The trends of all VMs, from what their status said while the console looked."""

    _of: dict[Key, deque[tuple[float, float]]] = field(default_factory=dict)

    def note(self, vm: "VirtualMachine") -> None:
        """Take what the VM's status says now; nothing when it says no figures."""
        figures = usage(vm)
        if figures is None:
            self.forget(vm.key)
        else:
            self._of.setdefault(vm.key, deque(maxlen=KEPT)).append(figures)

    def forget(self, key: Key) -> None:
        """The VM is off, or gone."""
        self._of.pop(key, None)

    def of(self, key: Key) -> Trend:
        """The trend of one VM."""
        figures = self._of.get(key)
        if not figures:
            return NO_TREND
        return Trend([cpu for cpu, _ in figures], [memory for _, memory in figures])


def usage(vm: "VirtualMachine") -> tuple[float, float] | None:
    """The shares of CPU and memory in use; None when the status has no readable figures."""
    from hypersdk.model.quantity import to_bytes

    resources = vm.status.resources
    if resources is None or not resources.cpu or not resources.memory:
        return None
    try:
        cpu = float((resources.cpu.usage or "").removesuffix("%")) / 100
        return cpu, to_bytes(resources.memory.usage or "") / max(1, to_bytes(vm.spec.memory))
    except ValueError:
        return None


def spark(shares: Sequence[float], width: int, braille: bool) -> str:
    """The shares as so many characters, the newest at the right."""
    if not shares:
        return ""
    if braille:
        return plot([shares[-2 * width :]], width, 1, 1.0, braille=True).rows[0].rstrip()
    levels = [min(len(_RAMP) - 1, max(0, round(share * (len(_RAMP) - 1)))) for share in shares[-width:]]
    return "".join(_RAMP[level] for level in levels)
