"""What a running guest and its host tell beside libvirt's state: agent, addresses, usage, QEMU's last words."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from controller.hypervisor.port import DomainState, Hypervisor, ObservedDomain
from controller.hypervisor.qemu_log import last_run
from controller.hypervisor.readings import GuestAddress, GuestFacts
from controller.node.memory import Memory
from controller.node.plan import HAD_RUN
from controller.node.ports import Usage
from controller.node.usage import is_due, moved
from hypersdk.errors import Terminal, Transient

LINES_READ, LOG_LINES = 50, 5
NO_WORDS = re.compile(r".*: shutting down, reason=.*|.*\\|-msg timestamp=on|char device redirected to .*")
"""What libvirt notes of each try, QEMU's command line, and where a console went."""
NO_ANSWER = GuestFacts()
_CRASHES = frozenset({"crashed", "failed", "panicked", "killed"})


def last_words(lines: Sequence[str]) -> tuple[str, ...]:
    """The last lines of the last run that tell a person something; the same for the same failure."""
    return tuple(line for line in last_run(lines) if line.strip() and not NO_WORDS.fullmatch(line))[-LOG_LINES:]


@dataclass(frozen=True)
class Sight:
    """What was told."""

    guest: GuestFacts = NO_ANSWER
    addresses: tuple[GuestAddress, ...] = ()
    log_tail: tuple[str, ...] = ()


@dataclass
class Look:
    """Asks. A guest that does not answer costs two seconds, and never an error."""

    hypervisor: Hypervisor
    usage: Usage
    usage_every_s: float
    now: Callable[[], datetime]

    async def at(self, domain: ObservedDomain | None, memory: Memory, *, agent: bool, working: bool = False) -> Sight:
        """Look at a domain as it is now; `agent` tells whether it is to have one.

        An agent answers one question after the other: while work goes on, which may hold the guest by it and has to
        let it go, what it said before stands.
        """
        if domain is None or domain.owner is None:
            return Sight()
        if not domain.is_active:
            is_crash = domain.owner.power in HAD_RUN and domain.reason in _CRASHES
            return Sight(log_tail=await self.log_tail(domain.name) if is_crash else ())
        if not domain.agent_connected:
            memory.agent_went()
        asked = agent and domain.agent_connected and domain.state is DomainState.RUNNING
        guest = await self._guest(domain.uuid, memory, working=working) if asked else NO_ANSWER
        return Sight(guest, () if guest.addresses else await self._addresses(domain.uuid))

    async def log_tail(self, name: str) -> tuple[str, ...]:
        """QEMU's last words; none when its log cannot be read."""
        try:
            return last_words(await self.hypervisor.log_tail(name, LINES_READ))
        except (Transient, Terminal):
            return ()

    def measure(self, uid: str, memory: Memory) -> None:
        """Take over the newest measurement when it is worth a write."""
        sample = self.usage.latest(uid)
        # Times of the measurements themselves: how long ago the last write was is told by them.
        if sample is None or not moved(memory.usage, sample):
            return
        if memory.usage is None or is_due(memory.usage.time, sample.time, self.usage_every_s):
            memory.usage = sample

    async def _guest(self, uuid: str, memory: Memory, *, working: bool) -> GuestFacts:
        if working and memory.facts is not None:
            return memory.facts
        if memory.ask_agent_at is not None and self.now() < memory.ask_agent_at:
            return NO_ANSWER
        try:
            facts = await self.hypervisor.guest(uuid)
        except (Transient, Terminal):
            facts = NO_ANSWER
        memory.heard_agent(facts, self.now())
        return facts

    async def _addresses(self, uuid: str) -> tuple[GuestAddress, ...]:
        try:
            return tuple(await self.hypervisor.addresses(uuid))
        except (Transient, Terminal):
            return ()
