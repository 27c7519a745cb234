"""When a VM is worth another look."""

import pytest

from controller.hypervisor.port import DomainState
from controller.node.intent import Intent, Wanted
from controller.node.prepare import Prepared
from controller.node.schedule import SOON_S, STEADY_S, next_look
from controller.runtime.worker import Done, Later, Outcome
from tests.unit.node.builders import NOW, domain, machine, off


def look(age_s: float, state: DomainState = DomainState.RUNNING, *addresses: str) -> Outcome:
    there = domain(state, started_at=NOW.timestamp() - age_s)
    vm = machine(status={"nodeName": "n", "ipAddresses": list(addresses)})
    return next_look(there, Intent(Wanted.ON), Prepared(), None, vm, NOW)


@pytest.mark.parametrize(
    ("age_s", "seconds"), [(1, SOON_S), (10, SOON_S), (60, 12), (140, 28), (151, STEADY_S), (9000, STEADY_S)]
)
def test_guest_without_an_address_is_looked_at_ever_less_often(age_s: float, seconds: float) -> None:
    outcome = look(age_s)
    assert isinstance(outcome, Later)
    assert outcome.seconds == pytest.approx(seconds)


def test_guest_with_an_address_is_left_in_peace() -> None:
    assert look(5, DomainState.RUNNING, "10.0.0.1") == Later(STEADY_S)


def test_held_guest_is_left_in_peace() -> None:
    assert look(5, DomainState.PAUSED) == Later(STEADY_S)


def test_vm_that_is_off_waits_for_events() -> None:
    assert next_look(off(), Intent(Wanted.OFF), Prepared(), None, machine(running=False), NOW) == Done()
