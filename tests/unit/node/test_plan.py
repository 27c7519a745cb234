"""What is done next for a VM, for every state that its domain can be in."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.hypervisor.port import DomainState, ObservedDomain, Power
from controller.node.intent import Intent, Run, Wanted
from controller.node.memory import NEVER
from controller.node.plan import POWER_ON, plan
from controller.node.steps import (
    AskShutdown,
    AttachConsole,
    Define,
    Destroy,
    Resume,
    SetPower,
    Start,
    Step,
    Suspend,
    Undefine,
)
from tests.unit.node.builders import NOW, domain, off, wanted

ON, OFF, REMOVED = Intent(Wanted.ON), Intent(Wanted.OFF), Intent(Wanted.REMOVED)
ASKED = replace(ON, explicit=True)
WANTED = wanted()
OTHER = wanted(cpus=4)
START: list[Step] = list(POWER_ON)
PAUSED = DomainState.PAUSED
FOREIGN = domain(owner=None)
RUN = Run(4711, NOW.timestamp() - 100)


HELD = domain(PAUSED, "user", Power.PAUSED)
HOLD, LET_RUN = replace(ON, hold=True), replace(ON, let_run=True)
AGAIN = Resume(again=True)


def ago(seconds: float) -> Intent:
    """A guest that was asked so long ago, and last at the same moment."""
    moment = NOW - timedelta(seconds=seconds)
    return replace(OFF, stopping_since=moment, asked_at=moment, asks=1)


TABLE: dict[str, tuple[ObservedDomain | None, Intent, list[Step]]] = {
    "new": (None, ON, [Define(WANTED, Power.OFF), *START]),
    "new, not to run": (None, OFF, [Define(WANTED, Power.OFF)]),
    "new, but deleted": (None, REMOVED, []),
    "runs as wanted": (domain(), ON, []),
    "foreign": (FOREIGN, ON, []),
    "foreign, deleted": (FOREIGN, REMOVED, []),
    "foreign, not to run": (FOREIGN, OFF, []),
    "deleted while on": (domain(), REMOVED, [Destroy("the VM is being deleted"), Undefine()]),
    "deleted while off": (off(), REMOVED, [Undefine()]),
    "off, wanted on": (off(), ON, START),
    "guest powered off": (off("shutdown", Power.ON), ON, [SetPower(Power.GUEST_OFF)]),
    "guest powered off, noted": (off("shutdown", Power.GUEST_OFF), ON, []),
    "guest powered off, asked to start": (off("shutdown", Power.GUEST_OFF), ASKED, START),
    "guest powered off, seen by an operation": (off("shutdown", Power.ON), ASKED, [SetPower(Power.OFF), *START]),
    "guest powered off, not to run": (off("shutdown", Power.ON), OFF, [SetPower(Power.OFF)]),
    "crashed": (off("crashed", Power.ON), ON, []),
    "crashed, asked to start": (off("crashed", Power.ON), ASKED, [SetPower(Power.OFF), *START]),
    "failed": (off("failed", Power.ON), ON, []),
    "destroyed by somebody": (off("destroyed", Power.ON), ON, []),
    "a start that failed": (off("failed", Power.OFF), ON, START),
    "host rebooted": (off("unknown", Power.ON), ON, [SetPower(Power.OFF), *START]),
    "libvirtd lost it": (off("daemon", Power.ON), ON, [SetPower(Power.OFF), *START]),
    "host rebooted, guest was off by itself": (off("unknown", Power.GUEST_OFF), ON, []),
    "host rebooted, not to run": (off("unknown", Power.OFF), OFF, []),
    "half started": (domain(PAUSED, "user", Power.OFF), ON, [AttachConsole(), Resume(), SetPower(Power.ON)]),
    "half started after guest off": (
        domain(PAUSED, "user", Power.GUEST_OFF),
        ASKED,
        [AttachConsole(), Resume(), SetPower(Power.ON)],
    ),
    "half started, not to run": (domain(PAUSED, "user", Power.OFF), OFF, [Destroy("the guest had not begun to run")]),
    "runs, not noted yet": (domain(power=Power.OFF), ON, [SetPower(Power.ON)]),
    "paused by somebody": (domain(PAUSED, "user"), ON, []),
    "paused by us": (HELD, ON, []),
    "paused by us, libvirtd restarted": (domain(PAUSED, "unknown", Power.PAUSED), ON, []),
    "paused by us, changed": (
        domain(PAUSED, "user", Power.PAUSED, desired=OTHER),
        ON,
        [Define(WANTED, Power.PAUSED, again=True)],
    ),
    "paused by us, somebody let it run": (domain(power=Power.PAUSED), ON, [SetPower(Power.ON)]),
    "paused by us, power cut outside": (off("destroyed", Power.PAUSED), ON, []),
    "paused by us, host rebooted": (off("unknown", Power.PAUSED), ON, [SetPower(Power.OFF), *START]),
    "pause": (domain(), HOLD, [SetPower(Power.PAUSED), Suspend()]),
    "pause, killed before": (domain(power=Power.PAUSED), HOLD, [Suspend()]),
    "pause of one that somebody paused": (domain(PAUSED, "user"), HOLD, [SetPower(Power.PAUSED)]),
    "pause of one that is paused": (HELD, HOLD, []),
    "pause of one that is off": (off(), replace(OFF, hold=True), []),
    "resume": (HELD, LET_RUN, [AGAIN, SetPower(Power.ON)]),
    "resume of one that somebody paused": (domain(PAUSED, "user"), LET_RUN, [AGAIN]),
    "resume after a full disk": (domain(PAUSED, "ioerror"), LET_RUN, [AGAIN]),
    "resume of one that runs": (domain(), LET_RUN, []),
    "disk full": (domain(PAUSED, "ioerror"), ON, []),
    "disk full, killed before": (domain(PAUSED, "ioerror", Power.OFF), ON, [SetPower(Power.ON)]),
    "stop of a paused one": (HELD, OFF, [SetPower(Power.OFF), AGAIN, AskShutdown("acpi")]),
    "stop of a paused one by force": (
        HELD,
        replace(OFF, force=True),
        [SetPower(Power.OFF), Destroy("it was asked for by force")],
    ),
    "stop, held again": (domain(PAUSED, "ioerror", Power.OFF), ago(19), []),
    "stop, held by somebody": (domain(PAUSED, "user", Power.OFF), ago(20), [AGAIN, AskShutdown("acpi")]),
    "stop, held for too long": (
        domain(PAUSED, "ioerror", Power.OFF),
        ago(120),
        [Destroy("the guest did not power off within 120 s")],
    ),
    "restart of a paused one": (
        HELD,
        replace(ASKED, ending=RUN),
        [SetPower(Power.OFF), AGAIN, AskShutdown("acpi")],
    ),
    "deleted while paused": (HELD, REMOVED, [Destroy("the VM is being deleted"), Undefine()]),
    "stop begins": (domain(), OFF, [SetPower(Power.OFF), AskShutdown("acpi")]),
    "stop begins with agent": (domain(agent_connected=True), OFF, [SetPower(Power.OFF), AskShutdown("agent")]),
    "stop by force": (domain(), replace(OFF, force=True), [SetPower(Power.OFF), Destroy("it was asked for by force")]),
    "stop goes on": (domain(power=Power.OFF), ago(19), []),
    "stop asks again, the other way": (domain(power=Power.OFF, agent_connected=True), ago(20), [AskShutdown("acpi")]),
    "stop took too long": (domain(power=Power.OFF), ago(120), [Destroy("the guest did not power off within 120 s")]),
    "stop was taken back, guest may still go": (
        domain(power=Power.OFF),
        replace(ago(60), wanted=Wanted.ON),
        [],
    ),
    "stop was taken back, guest stays": (
        domain(power=Power.OFF),
        replace(ago(120), wanted=Wanted.ON),
        [SetPower(Power.ON)],
    ),
    "restart begins": (domain(), replace(ASKED, ending=RUN), [SetPower(Power.OFF), AskShutdown("acpi")]),
    "restart by force": (
        domain(),
        replace(ASKED, ending=RUN, force=True),
        [SetPower(Power.OFF), Destroy("it was asked for by force")],
    ),
    "restart, old run is over": (off(), replace(ASKED, ending=RUN, force=True), START),
    "restart, new run is there": (domain(pid=5000), replace(ASKED, ending=RUN), []),
    "changed while off": (off(desired=OTHER), OFF, [Define(WANTED, Power.OFF, again=True)]),
    "changed, about to start": (off(desired=OTHER), ON, [Define(WANTED, Power.OFF, again=True), *START]),
    "changed while on": (domain(desired=OTHER), ON, [Define(WANTED, Power.ON, again=True)]),
    "changed after guest off": (
        off(power=Power.GUEST_OFF, desired=OTHER),
        ON,
        [Define(WANTED, Power.GUEST_OFF, again=True)],
    ),
    "last start failed a moment ago": (off("failed"), replace(ON, retry_at=NOW + timedelta(seconds=1)), []),
    "last start failed long ago": (off("failed"), replace(ON, retry_at=NOW), START),
    "last start failed for good": (off("failed"), replace(ON, retry_at=NEVER), []),
    "definition failed a moment ago": (None, replace(ON, retry_at=NOW + timedelta(seconds=1)), []),
    "stop although the start fails": (
        domain(),
        replace(OFF, retry_at=NEVER, force=True),
        [
            SetPower(Power.OFF),
            Destroy("it was asked for by force"),
        ],
    ),
}


@pytest.mark.parametrize(("observed", "intent", "steps"), TABLE.values(), ids=list(TABLE))
def test_steps(observed: ObservedDomain | None, intent: Intent, steps: list[Step]) -> None:
    assert plan(WANTED, observed, intent, NOW) == steps


@pytest.mark.parametrize(
    ("observed", "intent", "steps"),
    [
        (None, ON, []),
        (off(), ON, []),
        (domain(), ON, []),
        (domain(), replace(OFF, force=True), [SetPower(Power.OFF), Destroy("it was asked for by force")]),
        (domain(), REMOVED, [Destroy("the VM is being deleted"), Undefine()]),
    ],
    ids=["new", "off", "on", "stopping", "deleted"],
)
def test_without_knowing_the_definition_nothing_is_made(
    observed: ObservedDomain | None, intent: Intent, steps: list[Step]
) -> None:
    assert plan(None, observed, intent, NOW) == steps


def after(observed: ObservedDomain | None, step: Step) -> ObservedDomain | None:
    """The domain after a step, as libvirt would have it."""
    match step:
        case Define():
            new = off("unknown", step.power, desired=step.desired)
            return new if observed is None else replace(observed, owner=new.owner)
        case Undefine():
            return None
    assert observed is not None
    assert observed.owner is not None
    match step:
        case SetPower():
            return replace(observed, owner=replace(observed.owner, power=step.power))
        case Start():
            run = {"pid": 9, "started_at": NOW.timestamp(), "running_spec_hash": observed.owner.spec_hash}
            return replace(observed, state=PAUSED, reason="user", **run)  # type: ignore[arg-type]
        case Resume():
            return replace(observed, state=DomainState.RUNNING, reason="booted")
        case Suspend():
            return replace(observed, state=PAUSED, reason="user")
        case Destroy():
            return replace(observed, state=DomainState.SHUTOFF, reason="destroyed", pid=0, started_at=0.0)
    return observed


@pytest.mark.parametrize(("observed", "intent", "steps"), TABLE.values(), ids=list(TABLE))
def test_a_second_pass_has_nothing_to_do(observed: ObservedDomain | None, intent: Intent, steps: list[Step]) -> None:
    for _ in range(3):
        for step in plan(WANTED, observed, intent, NOW):
            observed = after(observed, step)
            if isinstance(step, AskShutdown):
                intent = replace(intent, asked_at=NOW, asks=intent.asks + 1, stopping_since=NOW)
    assert plan(WANTED, observed, intent, NOW) == []


@pytest.mark.parametrize(("observed", "intent", "steps"), TABLE.values(), ids=list(TABLE))
def test_killed_between_any_two_steps_it_ends_in_the_same_state(
    observed: ObservedDomain | None, intent: Intent, steps: list[Step]
) -> None:
    whole = observed
    for step in steps:
        whole = after(whole, step)
    for done in range(len(steps)):
        there = observed
        for step in steps[:done]:
            there = after(there, step)
        for _ in range(3):
            for step in plan(WANTED, there, intent, NOW):
                there = after(there, step)
        if (
            not any(isinstance(step, AskShutdown) for step in steps)
            and Wanted.ON is intent.wanted
            and not intent.ending
        ):
            assert there == whole
