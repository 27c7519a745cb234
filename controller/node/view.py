"""Everything that one pass saw of a VM: the input of its status."""

from dataclasses import dataclass

from controller.hypervisor.port import ObservedDomain
from controller.hypervisor.readings import GuestAddress, GuestFacts
from controller.node.finding import Finding
from controller.node.intent import Intent
from controller.node.look import NO_ANSWER
from hypersdk.model.metrics import Sample
from hypersdk.model.virtualmachine import ImageProgress, LastReset


@dataclass(frozen=True)
class View:
    """What was seen, and what was wanted while looking."""

    node: str
    domain: ObservedDomain | None
    intent: Intent
    disks: Finding
    network: Finding
    image: ImageProgress | None = None
    failure: Finding | None = None
    """Why the last definition or start failed."""
    guest: GuestFacts = NO_ANSWER
    addresses: tuple[GuestAddress, ...] = ()
    usage: Sample | None = None
    drift: tuple[str, ...] = ()
    """Fields of the spec that the running guest does not have yet."""
    refusals: tuple[str, ...] = ()
    """Why some of them cannot be changed while it runs."""
    log_tail: tuple[str, ...] = ()
    """The last lines of QEMU's log, for a guest that crashed."""
    reset: LastReset | None = None
    """That of which was heard just now."""
    agent_wanted: bool = True
    working: str = ""
    """The work that goes on; what the preparation found before it still holds, for nothing is prepared meanwhile."""

    @property
    def is_stopping(self) -> bool:
        """Whether the guest was asked to power off and has not yet; other passes forget that it was asked."""
        return self.domain is not None and self.domain.is_active and self.intent.stopping_since is not None
