"""How the host is: what the hypervisor says of it, and since when it says nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from controller.hypervisor.port import Hypervisor
from controller.hypervisor.readings import HostFacts
from hypersdk.errors import Terminal, Transient


@dataclass
class Host:
    """The host's facts as they were last read."""

    hypervisor: Hypervisor
    now: Callable[[], datetime]
    facts: HostFacts | None = None
    error: str = ""
    """Why libvirt cannot be asked; empty when it can."""
    lost_at: datetime | None = None

    async def refresh(self) -> HostFacts:
        """Read them again; Transient when libvirt cannot be asked."""
        try:
            self.facts = await self.hypervisor.facts()
        except (Transient, Terminal) as error:
            self.lost(error)
            raise Transient(str(error)) from error
        self.found()
        return self.facts

    async def known(self) -> HostFacts:
        """The facts of the last time, read now when there was none."""
        return self.facts or await self.refresh()

    def lost(self, error: Exception) -> None:
        """libvirt did not answer."""
        self.error = str(error)
        self.lost_at = self.lost_at or self.now()

    def found(self) -> None:
        """libvirt answered."""
        self.error, self.lost_at = "", None

    def is_lost_for(self, seconds: float) -> bool:
        """Whether libvirt has not answered for so long."""
        return self.lost_at is not None and (self.now() - self.lost_at).total_seconds() >= seconds
