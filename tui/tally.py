"""How many VMs are in which phase, counted as they change: counting ten thousand at each change took most of a core."""

from collections import Counter
from dataclasses import dataclass, field

from hypersdk.model.phase import Phase
from hypersdk.model.virtualmachine import VirtualMachine
from tui.cells import Key


@dataclass
class Tally:
    """The phases of all VMs."""

    _phases: dict[Key, Phase] = field(default_factory=dict)
    _counts: Counter[Phase] = field(default_factory=Counter)

    def note(self, vm: VirtualMachine) -> None:
        """The VM is in that phase now."""
        self.forget(vm.key)
        self._phases[vm.key] = vm.phase
        self._counts[vm.phase] += 1

    def forget(self, key: Key) -> None:
        """The VM is gone."""
        if (phase := self._phases.pop(key, None)) is not None:
            self._counts[phase] -= 1

    def of(self, phase: Phase) -> int:
        """How many are in that phase."""
        return self._counts[phase]
