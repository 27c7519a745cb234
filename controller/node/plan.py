"""What to do next for one VM: pure. Empty when nothing differs, or when there is something to wait for.

The power in the domain's metadata is written so that a controller that is killed between any two steps is understood
by its successor: it says ON only once the guest runs. A domain that is off with ON in it was therefore running, and
libvirt's reason tells who ended it; one that is paused without ON is a start that was not finished. PAUSED is ON with
the guest held at a person's word: it stays held over every restart of ours, until somebody lets it run.
"""

from collections.abc import Sequence
from datetime import datetime

from controller.domain.build import spec_hash
from controller.domain.desired import DesiredDomain
from controller.hypervisor.port import DomainState, ObservedDomain, Power
from controller.node.intent import Intent, Run, Wanted
from controller.node.live import LiveChange
from controller.node.steps import (
    AskShutdown,
    AttachConsole,
    ChangeLive,
    Define,
    Destroy,
    Resume,
    SetPower,
    Start,
    Step,
    Suspend,
    Undefine,
)

RESTARTED_REASONS = frozenset({"unknown", "daemon", "saved"})
"""virDomainShutoffReason: the host or libvirtd went down under the guest, or its memory was saved."""
BEFORE_THE_GUEST = frozenset({"user", "starting-up", "unknown"})
"""virDomainPausedReason of a start whose CPUs were not let run yet; the others are of a guest that ran."""
HAD_RUN = frozenset({Power.ON, Power.PAUSED})
POWER_ON: tuple[Step, ...] = (Start(), AttachConsole(), Resume(), SetPower(Power.ON))


def plan(
    desired: DesiredDomain | None,
    observed: ObservedDomain | None,
    intent: Intent,
    now: datetime,
    live: Sequence[LiveChange] = (),
) -> list[Step]:
    """The steps of this pass; `desired` is None when it cannot be told, and then nothing is defined or started.

    The same while the last definition or start has failed a short time ago. `live` are the changes that a running guest
    can be given now.
    """
    if not _may_try(intent, now):
        desired = None
    if observed is None:
        return _first(desired, intent, now)
    if observed.owner is None:
        return []
    if intent.wanted is Wanted.REMOVED:
        return [*([Destroy("the VM is being deleted")] if observed.is_active else []), Undefine()]
    if observed.is_active and (intent.wanted is Wanted.OFF or run_of(observed) == intent.ending):
        return _stopping(observed, intent, now)
    if observed.is_active:
        return _running(desired, observed, intent, now, live)
    return _off(desired, observed, intent, now)


def run_of(observed: ObservedDomain) -> Run:
    """Which life of QEMU this is."""
    return Run(observed.pid, observed.started_at)


def is_half_started(observed: ObservedDomain) -> bool:
    """Whether a start was begun and not finished: paused, and never said to be on."""
    is_held = observed.state is DomainState.PAUSED and observed.reason in BEFORE_THE_GUEST
    return is_held and _power(observed) not in HAD_RUN


def is_held_for_good(observed: ObservedDomain | None) -> bool:
    """Whether QEMU and libvirt never let it run here again: post-copy has given its devices to another node."""
    held = observed is not None and observed.state is DomainState.PAUSED
    return held and observed is not None and observed.reason in {"postcopy", "postcopy-failed"}


def is_winding_down(observed: ObservedDomain, intent: Intent, now: datetime) -> bool:
    """Whether the guest was asked to power off and may still do so, though it is wanted on again."""
    asked = intent.stopping_since is not None and now < intent.cut_at(now)
    return asked and observed.state is not DomainState.PAUSED and _power(observed) is Power.OFF


def holds_back(observed: ObservedDomain, intent: Intent) -> bool:
    """Whether a domain that is off stays off though the spec says `running: true`: the guest's end was its own."""
    if intent.explicit:
        return False
    power = _power(observed)
    return power is Power.GUEST_OFF or (power in HAD_RUN and observed.reason not in RESTARTED_REASONS)


def _first(desired: DesiredDomain | None, intent: Intent, now: datetime) -> list[Step]:
    if desired is None or intent.wanted is Wanted.REMOVED:
        return []
    power_on = POWER_ON if intent.wanted is Wanted.ON else ()
    return [Define(desired, Power.OFF), *power_on]


def _stopping(observed: ObservedDomain, intent: Intent, now: datetime) -> list[Step]:
    if is_held_for_good(observed):
        # There is no guest any more that could be asked, and libvirt lets nothing of it be changed, its mark neither.
        return [Destroy("its migration broke half-way")]
    noted: list[Step] = [] if _power(observed) is Power.OFF else [SetPower(Power.OFF)]
    if intent.force:
        return [*noted, Destroy("it was asked for by force")]
    if is_half_started(observed) and intent.stopping_since is None:
        return [*noted, Destroy("the guest had not begun to run")]
    if now >= intent.cut_at(now):
        return [*noted, Destroy(f"the guest did not power off within {intent.grace.total_seconds():.0f} s")]
    if now < intent.ask_at(now):
        return noted
    # A guest that is held hears nothing. Once for each request: what holds it may do so again.
    woken: list[Step] = [Resume(again=True)] if observed.state is DomainState.PAUSED else []
    # An agent that was asked in vain is not the way; and not every guest has one.
    by_agent = observed.agent_connected and intent.asks % 2 == 0
    return [*noted, *woken, AskShutdown("agent" if by_agent else "acpi")]


def _running(
    desired: DesiredDomain | None,
    observed: ObservedDomain,
    intent: Intent,
    now: datetime,
    live: Sequence[LiveChange],
) -> list[Step]:
    if is_half_started(observed):
        return [AttachConsole(), Resume(), SetPower(Power.ON)]
    power = _power_of_active(observed, intent, now)
    noted: list[Step] = [] if _power(observed) is power else [SetPower(power)]
    changes = [] if desired is None or power is Power.OFF else [ChangeLive(change) for change in live]
    # Before the definition, which takes the places of the new devices over from the running domain.
    return [*_held_or_let_run(observed, intent, noted), *changes, *_redefinition(desired, observed, power)]


def _held_or_let_run(observed: ObservedDomain, intent: Intent, noted: list[Step]) -> list[Step]:
    is_held = observed.state is DomainState.PAUSED
    if intent.hold and not is_held:
        # Written first: whoever finds the guest held knows that it is to be.
        return [*noted, Suspend()]
    if intent.let_run and is_held:
        return [Resume(again=True), *noted]
    return noted


def _power_of_active(observed: ObservedDomain, intent: Intent, now: datetime) -> Power:
    if intent.hold:
        return Power.PAUSED
    if is_winding_down(observed, intent, now):
        return Power.OFF
    stays_held = observed.state is DomainState.PAUSED and not intent.let_run
    return Power.PAUSED if stays_held and _power(observed) is Power.PAUSED else Power.ON


def _off(desired: DesiredDomain | None, observed: ObservedDomain, intent: Intent, now: datetime) -> list[Step]:
    if intent.wanted is Wanted.OFF:
        noted: list[Step] = [] if _power(observed) is Power.OFF else [SetPower(Power.OFF)]
        return [*noted, *_redefinition(desired, observed, Power.OFF)]
    if holds_back(observed, intent):
        if _power(observed) in HAD_RUN and observed.reason == "shutdown":
            return [SetPower(Power.GUEST_OFF), *_redefinition(desired, observed, Power.GUEST_OFF)]
        return _redefinition(desired, observed, _power(observed))
    if desired is None:
        return []
    # Not ON while it is off and about to start: if this ends here, it would look like a guest that has gone.
    noted = [SetPower(Power.OFF)] if _power(observed) in HAD_RUN else []
    power = Power.OFF if noted else _power(observed)
    return [*noted, *_redefinition(desired, observed, power), *POWER_ON]


def _redefinition(desired: DesiredDomain | None, observed: ObservedDomain, power: Power) -> list[Step]:
    if desired is None or (observed.owner and observed.owner.spec_hash == spec_hash(desired)):
        return []
    return [Define(desired, power, again=True)]


def _may_try(intent: Intent, now: datetime) -> bool:
    return intent.retry_at is None or now >= intent.retry_at


def _power(observed: ObservedDomain) -> Power:
    return observed.owner.power if observed.owner else Power.GUEST_OFF
