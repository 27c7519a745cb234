"""What a node remembers of a VM between passes. All of it may be lost: it only costs a repetition."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from controller.hypervisor.readings import GuestFacts
from controller.node.finding import Finding
from controller.node.intent import Run
from controller.node.refusals import Refusals
from controller.node.resets import Resets
from controller.node.throttle import Allowance
from hypersdk.backoff import spread
from hypersdk.errors import HyperSDKError, Terminal
from hypersdk.model.metrics import Sample

NEVER = datetime.max.replace(tzinfo=UTC)
FIRST_RETRY_S = 10.0
LONGEST_RETRY_S = 600.0
FIRST_SILENCE_S = 2.0
LONGEST_SILENCE_S = 120.0
REOPENED_S = 10.0
"""A guest that opens its agent's port all the time is not asked all the time."""


@dataclass(frozen=True)
class Failure:
    """A definition or start that failed."""

    finding: Finding
    generation: int
    """Of the spec that it failed with: another one deserves another try."""
    count: int
    retry_at: datetime | None
    """None for not before the spec changes or somebody asks."""


@dataclass
class Memory:
    """One VM's."""

    asked_at: datetime | None = None
    asks: int = 0
    stopping_since: datetime | None = None
    failure: Failure | None = None
    attached: Run | None = None
    usage: Sample | None = None
    resets: Resets = field(default_factory=Resets)
    writes: Allowance = field(default_factory=Allowance)
    """For what only the guest changes in the status."""
    write_in_s: float = 0.0
    """When a write that had to wait is due; 0 when none waits."""
    refusals: Refusals = field(default_factory=Refusals)
    """Changes of the running guest that were refused."""
    facts: GuestFacts | None = None
    """What the agent said when it was asked last; None without one, or before it was."""
    silences: int = 0
    """How often in a row the guest agent did not answer."""
    ask_agent_at: datetime | None = None
    """A silent agent is asked again only then: each question costs seconds."""
    came_at: datetime | None = None
    """When a change of the agent's port last brought a question forward."""

    def asked(self, now: datetime) -> None:
        """The guest was asked to power off."""
        self.asked_at, self.asks = now, self.asks + 1
        self.stopping_since = self.stopping_since or now

    def heard_agent(self, facts: GuestFacts, now: datetime) -> None:
        """The agent was asked; one that stays silent is asked ever less often."""
        self.facts = facts
        self.silences = 0 if facts.connected else self.silences + 1
        delay = min(FIRST_SILENCE_S * 2 ** min(self.silences, 10), LONGEST_SILENCE_S)
        self.ask_agent_at = None if facts.connected else now + timedelta(seconds=delay)

    def agent_went(self) -> None:
        """There is no agent to ask; one that comes is asked at once."""
        self.facts, self.silences, self.ask_agent_at = None, 0, None

    def agent_came(self, now: datetime) -> None:
        """The agent's port was opened or closed in the guest: one that was silent is worth a question at once."""
        if self.ask_agent_at is not None and (
            self.came_at is None or (now - self.came_at).total_seconds() >= REOPENED_S
        ):
            self.ask_agent_at, self.came_at = now, now

    def ask_agent_in_s(self, now: datetime) -> float:
        """When the silent agent is asked again; 0 when there is none."""
        if self.ask_agent_at is None:
            return 0.0
        return max((self.ask_agent_at - now).total_seconds(), FIRST_SILENCE_S)

    def not_stopping(self) -> None:
        """Nobody waits for a power-off."""
        self.asked_at, self.asks, self.stopping_since = None, 0, None

    def retry_at(self, generation: int) -> datetime | None:
        """The moment before which there is no other start of a spec of this generation."""
        if self.failure is None or self.failure.generation != generation:
            self.failure = None
            return None
        return self.failure.retry_at or NEVER

    def failed(self, error: HyperSDKError, words: str, generation: int, now: datetime, chance: float) -> None:
        """Count a failed start; the next try is the later the more there were."""
        count = self.failure.count + 1 if self.failure else 1
        delay = spread(FIRST_RETRY_S, LONGEST_RETRY_S, count - 1, lambda: chance)
        retry_at = None if isinstance(error, Terminal) else now + timedelta(seconds=delay)
        reason = error.reason if isinstance(error, Terminal) and error.reason else "StartFailed"
        self.failure = Failure(Finding("False", reason, words), generation, count, retry_at)


@dataclass
class Memories:
    """Of all VMs of the node, by uid."""

    _all: dict[str, Memory] = field(default_factory=dict)

    def of(self, uid: str) -> Memory:
        """That of one VM."""
        return self._all.setdefault(uid, Memory())

    def forget(self, uid: str) -> None:
        """The VM is gone."""
        self._all.pop(uid, None)
