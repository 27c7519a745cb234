"""When a VM is worth another look though nothing wakes it: pure."""

from datetime import datetime

from controller.hypervisor.port import DomainState, ObservedDomain
from controller.node.intent import Intent, Wanted
from controller.node.memory import NEVER
from controller.node.operations.holding import watched_until
from controller.node.operations.power import deadline
from controller.node.plan import run_of
from controller.node.prepare import Prepared
from controller.runtime.worker import Done, Later, Outcome
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmoperation import VMOperation

YOUNG_S = 150.0
"""A guest this young may get its address at any moment."""
SOON_S = 2.0
HURRY = 0.2
"""A young guest is looked at after this share of its age: many that boot at once must not keep the node busy."""
STEADY_S = 60.0
"""Events and what it uses wake it earlier."""
ANSWERS_S = 30.0
"""One with an agent, which knows of addresses that no event tells of."""
LEAST_S = 0.25


def next_look(
    observed: ObservedDomain | None,
    intent: Intent,
    prepared: Prepared,
    operation: VMOperation | None,
    vm: VirtualMachine,
    now: datetime,
) -> Outcome:
    """The earliest moment at which time alone changes something."""
    waits = [
        *_of_guest(observed, intent, vm, now),
        *([prepared.retry_in_s] if prepared.retry_in_s is not None else []),
        *_until(intent.retry_at if intent.wanted is Wanted.ON else None, now),
    ]
    if operation is not None and not operation.phase.is_over:
        waits += _until(deadline(operation, now), now)
        waits += _until(watched_until(operation), now)
    return Later(max(min(waits), LEAST_S)) if waits else Done()


def sooner(outcome: Outcome, seconds: float) -> Outcome:
    """The same, but not later than that; 0 changes nothing."""
    if not seconds:
        return outcome
    return Later(min(seconds, outcome.seconds) if isinstance(outcome, Later) else seconds)


def _of_guest(observed: ObservedDomain | None, intent: Intent, vm: VirtualMachine, now: datetime) -> list[float]:
    if observed is None or not observed.is_active:
        return []
    if intent.stopping_since is not None:
        is_asked = intent.wanted is Wanted.OFF or run_of(observed) == intent.ending
        return [*_until(intent.ask_at(now) if is_asked else None, now), *_until(intent.cut_at(now), now)]
    age = now.timestamp() - observed.started_at
    if observed.state is DomainState.RUNNING and age < YOUNG_S and not vm.status.ip_addresses:
        return [max(SOON_S, HURRY * age)]
    return [ANSWERS_S if observed.agent_connected else STEADY_S]


def _until(moment: datetime | None, now: datetime) -> list[float]:
    if moment is None or moment is NEVER:
        return []
    return [(moment - now).total_seconds()]
