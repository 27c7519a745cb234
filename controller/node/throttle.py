"""Must a status be written now? What a guest can change as often as it likes is written only so often: pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from hypersdk.model.base import Condition
from hypersdk.model.virtualmachine import ConditionType, VirtualMachineStatus

BURST = 5
EVERY = timedelta(seconds=10)
_OF_THE_GUEST = {"guest_agent": None, "addresses": None, "ip_addresses": None, "resources": None}
_CONDITIONS_OF_THE_GUEST = frozenset({ConditionType.AGENT_CONNECTED, ConditionType.LIVENESS_PROBE})


def is_of_the_guest(old: VirtualMachineStatus, new: VirtualMachineStatus) -> bool:
    """Whether only such fields differ as a guest changes by itself, and that decide nothing."""
    return _rest(old) == _rest(new)


@dataclass
class Allowance:
    """Some writes at once, then one every few seconds."""

    left: float = BURST
    _counted_at: datetime | None = None

    def take(self, now: datetime) -> float:
        """Zero when one may be written now; otherwise the seconds until one may."""
        if self._counted_at is not None:
            self.left = min(BURST, self.left + (now - self._counted_at) / EVERY)
        self._counted_at = now
        if self.left < 1:
            return (1 - self.left) * EVERY.total_seconds()
        self.left -= 1
        return 0.0


def _rest(status: VirtualMachineStatus) -> tuple[VirtualMachineStatus, list[Condition]]:
    ours = [one for one in status.conditions or [] if one.type not in _CONDITIONS_OF_THE_GUEST]
    return status.but(**_OF_THE_GUEST, conditions=None), ours
