"""Whose turn it is, what an operation wants, and when it is over."""

from datetime import datetime, timedelta

import pytest

from controller.hypervisor.port import DiskError, DomainState, ObservedDomain, Power
from controller.node.intent import Intent, Run, Wanted
from controller.node.operations.holding import WATCHED
from controller.node.operations.obstacle import Obstacle
from controller.node.operations.outcome import stamped, succeeded
from controller.node.operations.power import as_intent, ends_now, judged, taken_up
from controller.node.operations.turn import turn
from hypersdk.model.vmoperation import OperationPhase, VMOperation
from tests.unit.node.builders import NOW, domain, machine, off, operation

BASE = Intent(Wanted.ON)
PAUSED = DomainState.PAUSED
HELD = domain(PAUSED, "user", Power.PAUSED)
BEGAN = {"phase": "Running", "startTime": NOW.isoformat(), "progress": 10}
BEFORE = {"runningBefore": True, "qemuPidBefore": 4711, "qemuStartBefore": NOW.timestamp() - 100}


def going(name: str, **spec: object) -> VMOperation:
    """An operation that was taken up while the machine ran."""
    return operation("op", BEGAN | {"result": BEFORE}, operation=name, **spec)


def let_run(name: str, at: datetime = NOW, **found: object) -> VMOperation:
    """The same, after the guest was let run."""
    more = {"letRunAt": at.isoformat()} | found
    return operation("op", BEGAN | {"result": BEFORE | more}, operation=name)


def test_the_running_one_goes_on_then_the_oldest() -> None:
    def made(name: str, at: str, phase: str = "") -> VMOperation:
        meta = {"metadata": {"creationTimestamp": at}}
        return operation(name, {"phase": phase} if phase else {}, **meta)

    old, older = made("b", "2026-01-01T00:00:01Z"), made("c", "2026-01-01T00:00:00Z")
    begun, over = made("z", "2026-01-01T00:00:09Z", "Running"), made("a", "2026-01-01T00:00:00Z", "Succeeded")
    assert turn([old, older, over], machine(), NOW).current == older
    found = turn([old, older, begun, over], machine(), NOW)
    assert found.current == begun
    assert [(op.metadata.name, status.message) for op, status in found.settled] == [
        ("c", "waits for start (z)"),
        ("b", "waits for start (z)"),
    ]


def test_operations_on_other_machines_are_not_its_own() -> None:
    other = operation("x", vmRef={"name": "other"})
    elsewhere = operation("y", metadata={"namespace": "elsewhere"})
    assert turn([other, elsewhere], machine(), NOW).current is None


def test_what_was_found_is_written_before_anything_is_done() -> None:
    status = taken_up(operation(operation="restart"), machine(), domain(), NOW)
    assert (status.phase, status.start_time) == (OperationPhase.RUNNING, NOW)
    assert status.result == BEFORE
    assert taken_up(going("restart"), machine(), off(), NOW) == going("restart").status


@pytest.mark.parametrize(
    ("op", "wanted", "explicit", "force", "ending"),
    [
        (going("start"), Wanted.ON, True, False, None),
        (going("stop"), Wanted.OFF, False, False, None),
        (going("stop", force=True), Wanted.OFF, False, True, None),
        (going("restart"), Wanted.ON, True, False, Run(4711, NOW.timestamp() - 100)),
        (going("restart", force=True), Wanted.ON, True, True, Run(4711, NOW.timestamp() - 100)),
        (operation(status=BEGAN, operation="restart", force=True), Wanted.ON, True, False, None),
        (
            operation(status=BEGAN | {"result": BEFORE | {"oldRunEnded": True}}, operation="restart"),
            Wanted.ON,
            True,
            False,
            None,
        ),
    ],
)
def test_intent(op: VMOperation, wanted: Wanted, explicit: bool, force: bool, ending: Run | None) -> None:
    intent = as_intent(op, BASE)
    assert (intent.wanted, intent.explicit, intent.force, intent.ending) == (wanted, explicit, force, ending)


@pytest.mark.parametrize(
    ("op", "observed", "phase"),
    [
        (going("start"), domain(), "Succeeded"),
        (going("start"), off(), "Running"),
        (going("start"), None, "Running"),
        (going("stop"), off(), "Succeeded"),
        (going("stop"), None, "Succeeded"),
        (going("stop"), domain(), "Running"),
        (going("restart"), domain(), "Running"),
        (going("restart"), off(), "Running"),
        (going("restart"), domain(pid=5000), "Succeeded"),
        (going("pause"), domain(), "Running"),
        (going("pause"), HELD, "Succeeded"),
        (going("pause"), domain(PAUSED, "user"), "Running"),
        (going("pause"), off(), "Failed"),
        (going("pause"), None, "Failed"),
        (going("resume"), HELD, "Running"),
        (going("resume"), domain(), "Succeeded"),
        (going("resume"), off(), "Failed"),
        (let_run("resume"), HELD, "Failed"),
        (going("start"), HELD, "Running"),
        (let_run("start"), domain(PAUSED, "ioerror"), "Failed"),
    ],
)
def test_success_is_what_was_seen(op: VMOperation, observed: ObservedDomain | None, phase: str) -> None:
    assert judged(op, observed, None, NOW).phase == phase


def test_guest_that_a_disk_held_is_watched_for_a_moment_before_it_counts_as_running() -> None:
    full = domain(PAUSED, "ioerror", disk_errors=(DiskError("root", "/pool/uid/root.qcow2", True),))
    begun = taken_up(operation(operation="resume"), machine(), full, NOW)
    assert (begun.result or {})["heldByDisk"] is True
    op = let_run("resume", heldByDisk=True)
    assert judged(op, domain(), None, NOW).message == "watching whether it runs on"
    assert judged(op, domain(), None, NOW + WATCHED).phase is OperationPhase.SUCCEEDED
    again = judged(op, full, None, NOW)
    assert again.phase is OperationPhase.FAILED
    assert again.message is not None
    assert again.message.startswith("it ran, and is held again: disk root cannot grow")


def test_guest_that_is_to_be_off_is_not_paused() -> None:
    refused = judged(going("pause"), domain(power=Power.OFF), None, NOW, is_to_run=False)
    assert refused.phase is OperationPhase.FAILED
    assert refused.message == "web is off, or about to be: there is nothing to pause"


@pytest.mark.parametrize("name", ["start", "resume"])
def test_guest_is_let_run_once_for_each_operation(name: str) -> None:
    assert as_intent(going(name), BASE).let_run
    assert not as_intent(let_run(name), BASE).let_run


def test_obstacles_fail_or_are_told() -> None:
    final = judged(going("start"), off(), Obstacle("StartFailed", "no memory"), NOW)
    assert (final.phase, final.message) == (OperationPhase.FAILED, "no memory")
    waiting = judged(going("start"), off(), Obstacle("Importing", "10%", final=False), NOW)
    assert (waiting.phase, waiting.message) == (OperationPhase.RUNNING, "10%")


def test_deadline_fails_and_an_effect_in_time_does_not() -> None:
    late = NOW + timedelta(minutes=10)
    assert judged(going("stop"), domain(), None, late - timedelta(seconds=1)).phase is OperationPhase.RUNNING
    failed = judged(going("stop"), domain(), None, late)
    assert (failed.phase, failed.message) == (
        OperationPhase.FAILED,
        "not done within 10m: waiting for the guest to power off; "
        "it is to run on, and is started again should it still power off",
    )
    assert judged(going("stop"), off(), None, late).phase is OperationPhase.SUCCEEDED


def test_restart_that_cannot_tell_runs_apart_goes_by_what_it_wrote_down() -> None:
    blind = {"runningBefore": True, "qemuPidBefore": 0, "qemuStartBefore": 0.0}
    op = operation("op", BEGAN | {"result": blind}, operation="restart")
    there = domain(pid=0, started_at=0.0)
    assert not ends_now(op, there)
    assert ends_now(op, off())
    ended = operation("op", BEGAN | {"result": blind | {"oldRunEnded": True}}, operation="restart")
    assert not ends_now(ended, off())
    assert judged(op, there, None, NOW).phase is OperationPhase.RUNNING
    assert judged(ended, there, None, NOW).phase is OperationPhase.SUCCEEDED


def test_progress_never_falls() -> None:
    half = operation("op", BEGAN | {"progress": 50, "result": BEFORE}, operation="restart")
    assert judged(half, domain(), None, NOW).progress == 50


def test_completion_is_stamped_once() -> None:
    op = going("stop")
    first = stamped(op.status, succeeded(op, "off"), NOW)
    assert first.completion_time == NOW
    assert stamped(first, first, NOW + timedelta(hours=1)).completion_time == NOW
