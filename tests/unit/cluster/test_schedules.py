"""When a schedule is due, what it makes then, and what of it goes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.cluster.schedules.decide import Decision, decide
from controller.cluster.schedules.jobs import bounded
from controller.cluster.schedules.selecting import matches
from controller.cluster.schedules.times import Missed, times_of
from hypersdk.errors import Terminal
from hypersdk.model.backupjob import BackupJob
from hypersdk.model.backupschedule import BackupSchedule, VMSelector
from hypersdk.model.base import condition, rfc3339
from hypersdk.model.virtualmachine import VirtualMachine
from tests.unit.node.builders import machine

NIGHT = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
NOON = NIGHT + timedelta(hours=10)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("line", "zone", "after", "due"),
    [
        ("0 2 * * *", "UTC", "2026-11-23T12:00:00Z", "2026-11-24T02:00:00Z"),
        ("0 2 * * *", "America/New_York", "2026-11-23T12:00:00Z", "2026-11-24T07:00:00Z"),
        ("*/15 8-18 * * mon-fri", "UTC", "2026-11-20T18:50:00Z", "2026-11-23T08:00:00Z"),
        ("0 4 1,15 JAN,jul *", "UTC", "2026-11-23T12:00:00Z", "2027-01-01T04:00:00Z"),
        ("5/20  03 * * 7", "UTC", "2026-11-23T12:00:00Z", "2026-11-29T03:05:00Z"),
        ("@daily", "Asia/Tokyo", "2026-11-23T12:00:00Z", "2026-11-23T15:00:00Z"),
        ("@Weekly", "UTC", "2026-11-23T12:00:00Z", "2026-11-29T00:00:00Z"),
        # The hour that the clock leaves out is caught up at its end, and the one that comes twice counts once.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
    ],
)
def test_time_that_comes_next(line: str, zone: str, after: str, due: str) -> None:
    assert times_of(line, zone).after(at(after)) == at(due)


@pytest.mark.parametrize(
    ("line", "zone", "reason"),
    [
        ("0 2 31 2 *", "UTC", "InvalidSchedule"),
        ("0 2 * * fri-mon", "UTC", "InvalidSchedule"),
        ("0 2 * * *", "Mars/Olympus", "InvalidTimezone"),
        ("0 2 * * *", "../../etc/passwd", "InvalidTimezone"),
        ("0 2 * * *", "Europe", "InvalidTimezone"),
        ("0 2 * * *", "", "InvalidTimezone"),
    ],
)
def test_schedule_that_cannot_be_is_refused(line: str, zone: str, reason: str) -> None:
    with pytest.raises(Terminal) as refused:
        times_of(line, zone)
    assert refused.value.reason == reason


def test_missed_runs_are_told_once_and_counted_up_to_a_hundred() -> None:
    nightly, every_minute = times_of("0 2 * * *", "UTC"), times_of("* * * * *", "UTC")
    assert nightly.missed(NIGHT, NOON) == Missed(None)
    assert nightly.missed(NIGHT - timedelta(seconds=1), NOON) == Missed(NIGHT)
    assert nightly.missed(NIGHT - timedelta(days=99, hours=1), NOON) == Missed(NIGHT)
    assert nightly.missed(NIGHT - timedelta(days=400), NOON) == Missed(NIGHT, too_many=True)
    assert every_minute.missed(NIGHT - timedelta(days=3000), NOON) == Missed(NOON, too_many=True)


@settings(max_examples=60)
@given(st.integers(0, 59), st.integers(0, 23), st.integers(1, 60 * 24 * 60), st.integers(0, 60 * 24 * 400))
def test_latest_missed_is_the_last_of_all(minute: int, hour: int, back: int, start: int) -> None:
    """Against counting through, over both changes of the clock."""
    times = times_of(f"{minute} {hour} * * *", "Europe/Berlin")
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=start)
    since = now - timedelta(minutes=back)
    last, due = None, times.after(since)
    while due is not None and due <= now:
        last, due = due, times.after(due)
    assert times.missed(since, now).latest == last


def schedule(last: datetime | None = None, **spec: Any) -> BackupSchedule:
    whole: dict[str, Any] = {"schedule": "0 2 * * *", "destination": {"type": "s3", "bucket": "vm-backups"}}
    if "jobTemplate" not in spec:
        whole["vmSelector"] = {"matchLabels": {"backup": "enabled"}}
    made = rfc3339(NIGHT - timedelta(hours=1))
    return BackupSchedule.model_validate(
        {
            "metadata": {"name": "nightly", "namespace": "default", "uid": "s-1", "creationTimestamp": made},
            "spec": whole | spec,
            "status": {"lastScheduleTime": rfc3339(last)} if last else {},
        }
    )


def vm(name: str, **labels: str) -> VirtualMachine:
    return machine(metadata={"name": name, "uid": name, "labels": labels or {"backup": "enabled"}})


def made(decision: Decision) -> list[BackupJob]:
    return [BackupJob.model_validate(body) for body in decision.create]


def job(name: str, phase: str = "", vm: str = "web", hours: float = 0, **meta: Any) -> BackupJob:
    """One that the schedule made, so many hours after the first night."""
    owner = {"apiVersion": "x", "kind": "BackupSchedule", "name": "nightly", "uid": "s-1", "controller": True}
    born = rfc3339(NIGHT + timedelta(hours=hours))
    return BackupJob.model_validate(
        {
            "metadata": {"name": name, "namespace": "default", "uid": name, "creationTimestamp": born}
            | {"ownerReferences": [owner]}
            | meta,
            "spec": {"source": {"provider": "libvirt", "vmName": vm}, "destination": {"type": "s3"}},
            "status": {"phase": phase, "completionTime": born} if phase else {},
        }
    )


def ready(decision: Decision) -> tuple[str, str]:
    found = condition(decision.status.conditions, "Ready")
    return (found.status, found.reason or "") if found else ("", "")


def test_each_selected_machine_gets_a_job_of_its_own() -> None:
    decision = decide(schedule(), [], [vm("web"), vm("db"), vm("other", backup="no")], NIGHT)
    stamp = int(NIGHT.timestamp())
    assert [one.metadata.name for one in made(decision)] == [f"nightly-db-{stamp}", f"nightly-web-{stamp}"]
    one = made(decision)[1]
    assert (one.spec.source.vm_name, one.spec.destination.bucket) == ("web", "vm-backups")
    assert one.metadata.labels == {
        "app": "hypersdk",
        "hypersdk.io/schedule": "nightly",
        "hypersdk.io/scheduled-backup": "true",
    }
    assert one.metadata.annotations == {"hypersdk.io/scheduled-at": "2026-11-23T02:00:00Z"}
    assert decision.status.last_schedule_time == NIGHT
    assert (decision.next, ready(decision)) == (NIGHT + timedelta(days=1), ("True", "Scheduled"))


def test_job_template_is_taken_as_it_stands() -> None:
    template = {
        "metadata": {"labels": {"team": "a"}},
        "spec": {
            "source": {"provider": "kubevirt", "vmName": "web"},
            "destination": {"type": "nfs", "prefix": "x"},
            "format": {"type": "qcow2", "compression": True},
        },
    }
    (one,) = made(decide(schedule(jobTemplate=template), [], [], NIGHT))
    assert one.metadata.name == f"nightly-{int(NIGHT.timestamp())}"
    assert (one.spec.source.provider, one.spec.destination.type) == ("kubevirt", "nfs")
    assert (one.metadata.labels or {})["team"] == "a"


def test_decision_is_the_same_after_a_kill_in_the_middle() -> None:
    first = decide(schedule(), [], [vm("db"), vm("web")], NIGHT)
    there = job(made(first)[0].metadata.name, vm="db")
    again = decide(schedule(), [there], [vm("db"), vm("web")], NIGHT + timedelta(seconds=9))
    assert [one.metadata.name for one in made(again)] == [made(first)[1].metadata.name]
    assert decide(schedule(NIGHT), [there], [vm("db"), vm("web")], NIGHT + timedelta(hours=1)).create == ()


@pytest.mark.parametrize(
    ("policy", "creates", "deletes", "advances"),
    [("Forbid", 0, 0, False), ("Allow", 1, 0, True), ("Replace", 1, 1, True)],
)
def test_earlier_job_that_goes_on(policy: str, creates: int, deletes: int, advances: bool) -> None:
    on = job("nightly-web-1", "Running", hours=-24)
    decision = decide(schedule(NIGHT - timedelta(days=1), concurrencyPolicy=policy), [on], [vm("web")], NIGHT)
    assert (len(decision.create), len(decision.delete)) == (creates, deletes)
    assert (decision.status.last_schedule_time == NIGHT) is advances
    assert [one.name for one in decision.status.active or []] == ["nightly-web-1"]
    assert ("JobAlreadyActive" in [reason for _, reason, _ in decision.events]) is (policy == "Forbid")


def test_forbidden_run_is_made_up_for_when_the_earlier_one_is_over() -> None:
    over = job("nightly-web-1", "Completed", hours=1)
    decision = decide(schedule(NIGHT - timedelta(days=1)), [over], [vm("web")], NIGHT + timedelta(hours=1))
    assert len(decision.create) == 1
    assert [reason for _, reason, _ in decision.events] == ["MissedSchedule"]
    late = schedule(NIGHT - timedelta(days=1), startingDeadlineSeconds=600)
    assert decide(late, [over], [vm("web")], NIGHT + timedelta(hours=1)).create == ()


def test_one_machine_that_is_held_up_does_not_hold_up_the_others() -> None:
    stuck = job("nightly-db-1", "Pending", vm="db", hours=-24)
    decision = decide(schedule(NIGHT - timedelta(days=1)), [stuck], [vm("db"), vm("web")], NIGHT)
    assert [one.spec.source.vm_name for one in made(decision)] == ["web"]
    assert decision.status.last_schedule_time == NIGHT


def test_weeks_that_were_missed_give_one_run_and_a_warning_beyond_a_hundred() -> None:
    few = decide(schedule(NIGHT - timedelta(days=20)), [], [vm("web")], NOON)
    assert (len(few.create), [reason for _, reason, _ in few.events]) == (1, ["MissedSchedule"])
    many = decide(schedule(NIGHT - timedelta(days=200)), [], [vm("web")], NOON)
    assert (len(many.create), [reason for _, reason, _ in many.events]) == (1, ["TooManyMissedTimes", "MissedSchedule"])


def test_suspended_makes_nothing_and_still_tells_and_clears() -> None:
    jobs = [job(f"n-{n}", "Completed", hours=n) for n in range(5)]
    decision = decide(schedule(suspend=True), jobs, [vm("web")], NOON)
    assert (decision.create, ready(decision)) == ((), ("False", "Suspended"))
    assert [one.metadata.name for one in decision.delete] == ["n-1", "n-0"]
    assert decision.status.last_successful_time == NIGHT + timedelta(hours=4)


def test_history_is_kept_for_each_machine() -> None:
    web = [job(f"web-{n}", "Completed", hours=n) for n in range(3)] + [
        job(f"bad-{n}", "Failed", hours=n) for n in (1, 2)
    ]
    db = [job(f"db-{n}", "Completed", vm="db", hours=n) for n in range(2)] + [job("off", "Cancelled", vm="db")]
    kept = schedule(NIGHT, successfulJobsHistoryLimit=1, failedJobsHistoryLimit=1)
    gone = {one.metadata.name for one in decide(kept, [*web, *db], [], NOON).delete}
    assert gone == {"web-0", "web-1", "bad-1", "db-0"}
    none = schedule(NIGHT, successfulJobsHistoryLimit=0, failedJobsHistoryLimit=0)
    assert len(decide(none, [*web, *db], [], NOON).delete) == 8
    strangers = [job("x", "Completed", ownerReferences=[]), job("y", "Completed", namespace="other")]
    assert decide(none, strangers, [], NOON).delete == ()


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"schedule": "0 2 30 2 *"}, "InvalidSchedule"),
        ({"timezone": "Nowhere"}, "InvalidTimezone"),
        ({"vmSelector": {"matchExpressions": [{"key": "a", "operator": "Like"}]}}, "InvalidSelector"),
    ],
)
def test_nonsense_is_a_condition_and_an_event_once(spec: dict[str, Any], reason: str) -> None:
    first = decide(schedule(**spec), [], [vm("web")], NIGHT)
    assert (ready(first), [one[1] for one in first.events]) == (("False", reason), [reason])
    again = decide(schedule(**spec).but(status=first.status), [], [vm("web")], NOON)
    assert (again.events, again.status.conditions) == ((), first.status.conditions)


def test_selector_that_nobody_matches_is_said() -> None:
    decision = decide(schedule(), [], [vm("web", backup="no")], NIGHT)
    assert (decision.create, ready(decision)) == ((), ("False", "NoMatch"))
    assert decision.status.last_schedule_time == NIGHT


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ({}, True),
        ({"matchLabels": {"tier": "db"}}, True),
        ({"matchLabels": {"tier": "db", "x": "y"}}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["db", "web"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["db"]}]}, False),
        ({"matchExpressions": [{"key": "absent", "operator": "NotIn", "values": ["db"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_label_selectors(selector: dict[str, Any], expected: bool) -> None:
    assert matches(VMSelector.model_validate(selector), {"tier": "db"}) is expected


def test_long_names_are_cut_and_stay_apart() -> None:
    names = {bounded("a" * 70 + end, 63) for end in ("1", "2")}
    assert len(names) == 2
    assert {len(name) for name in names} == {63}
    assert bounded("short", 63) == "short"
