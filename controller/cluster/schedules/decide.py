"""What is to be done for a schedule now? Kubernetes' rules of CronJob, for each VM on its own. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from controller.cluster.schedules.jobs import job_name, job_object, owned, unanswered
from controller.cluster.schedules.selecting import matches
from controller.cluster.schedules.times import MOST_MISSED, Times, times_of
from hypersdk.errors import Terminal
from hypersdk.kube.events import EventType
from hypersdk.model.backupjob import BackupJob
from hypersdk.model.backupschedule import ActiveJob, BackupSchedule, BackupScheduleStatus
from hypersdk.model.base import Condition, JsonObject, rfc3339, with_condition
from hypersdk.model.virtualmachine import VirtualMachine

READY = "Ready"
RUN_NOW_ANSWERED = "RunNow"
Told = tuple[EventType, str, str]
Verdict = Literal["True", "False"]


@dataclass(frozen=True)
class Decision:
    """What to create and delete, what the status becomes, and when to look again."""

    status: BackupScheduleStatus
    create: tuple[JsonObject, ...] = ()
    delete: tuple[BackupJob, ...] = ()
    events: tuple[Told, ...] = ()
    next: datetime | None = None


@dataclass
class _Run:
    """One run of a schedule, VM by VM."""

    create: list[JsonObject] = field(default_factory=list)
    replaced: list[BackupJob] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Covered:
    """The VMs that a schedule covers now, and the jobs that it has made."""

    machines: Sequence[str]
    jobs: Sequence[BackupJob]


def decide(
    schedule: BackupSchedule, jobs: Iterable[BackupJob], machines: Iterable[VirtualMachine], now: datetime
) -> Decision:
    """What to do; doing it twice does nothing more."""
    mine = owned(schedule, jobs)
    base = Decision(_seen(schedule, mine), delete=tuple(_beyond_limits(schedule, mine)))
    if schedule.metadata.deletion_timestamp is not None:
        return Decision(schedule.status)
    if unanswered(schedule):
        # Alone in its pass: what it makes counts when the next one, which is at once, looks at what is due.
        return _asked(schedule, base, mine, machines, now)
    try:
        times = times_of(schedule.spec.schedule, schedule.spec.timezone)
        covered = _covered(schedule, machines)
    except Terminal as error:
        told: Told = ("Warning", error.reason, str(error))
        said = _said(base.status, now, "False", error.reason, str(error))
        return replace(base, status=said, events=_once(schedule, told))
    if schedule.spec.suspend:
        return replace(base, status=_said(base.status, now, "False", "Suspended", "spec.suspend: nothing is made"))
    return _due(schedule, base, times, _Covered(covered, mine), now)


def _asked(
    schedule: BackupSchedule,
    base: Decision,
    mine: Sequence[BackupJob],
    machines: Iterable[VirtualMachine],
    now: datetime,
) -> Decision:
    """One run at once, also of a suspended schedule; its own times stay as they are."""
    request = unanswered(schedule)
    try:
        covered, reason = _covered(schedule, machines), "Started"
        run = _run(schedule, covered, mine, now, request)
        words = f"begun for {_some([vm for vm in covered if vm not in run.skipped])}"
    except Terminal as error:
        covered, run, reason, words = [], _Run(), error.reason, str(error)
    else:
        if not covered:
            reason, words = "NoMatch", "no VM carries the labels of vmSelector now"
        elif len(run.skipped) == len(covered):
            reason, words = "JobAlreadyActive", _still_active(run)
        elif run.skipped:
            words += f"; {_still_active(run)}"
    status = answered(base.status, request, reason, words, now)
    events = tuple(_told(schedule, run, now, now))
    return Decision(status, tuple(run.create), (*base.delete, *run.replaced), events, now)


def answered(
    status: BackupScheduleStatus, request: str, reason: str, words: str, now: datetime
) -> BackupScheduleStatus:
    """The status that tells what came of a request for a run at once."""
    verdict: Verdict = "True" if reason == "Started" else "False"
    said = Condition(type=RUN_NOW_ANSWERED, status=verdict, reason=reason, message=words)
    return status.but(run_request=request, conditions=with_condition(status.conditions, said, now))


def _due(schedule: BackupSchedule, base: Decision, times: Times, over: _Covered, now: datetime) -> Decision:
    status, covered, mine = base.status, over.machines, over.jobs
    missed = times.missed(_since(schedule, now), now)
    following = times.after(now)
    events: list[Told] = []
    if missed.too_many:
        words = f"more than {MOST_MISSED} runs were missed (is a clock wrong?): the newest alone is made up for"
        events.append(("Warning", "TooManyMissedTimes", words))
    run = _Run()
    if missed.latest is not None:
        run = _run(schedule, covered, mine, missed.latest)
        events += _told(schedule, run, missed.latest, now)
        if not (run.skipped and len(run.skipped) == len(covered)):
            status = status.but(last_schedule_time=missed.latest)
    words = f"next run {rfc3339(following)}" if following else "it is never due"
    reason = "Scheduled" if covered else "NoMatch"
    words += "" if covered else "; no VM carries the labels of vmSelector now"
    return Decision(
        _said(status, now, "True" if covered and following else "False", reason, words),
        tuple(run.create),
        (*base.delete, *run.replaced),
        tuple(events),
        following,
    )


def _run(
    schedule: BackupSchedule, covered: Sequence[str], mine: Sequence[BackupJob], due: datetime, request: str = ""
) -> _Run:
    run, names = _Run(), {job.metadata.name for job in mine}
    template = schedule.spec.job_template is not None
    for vm in covered:
        named = "" if template else vm
        if job_name(schedule, named, due, request) in names:
            continue
        active = [job for job in mine if job.machine[1] == vm and not job.is_over]
        if active and schedule.spec.concurrency_policy == "Forbid":
            run.skipped.append(vm)
            continue
        if schedule.spec.concurrency_policy == "Replace":
            run.replaced += [job for job in active if job.metadata.deletion_timestamp is None]
        run.create.append(job_object(schedule, named, due, request))
    return run


def _told(schedule: BackupSchedule, run: _Run, due: datetime, now: datetime) -> list[Told]:
    events: list[Told] = []
    if run.skipped:
        events.append(("Normal", "JobAlreadyActive", _still_active(run)))
    if run.create and now - due > timedelta(minutes=1):
        events.append(("Warning", "MissedSchedule", f"the run of {rfc3339(due)} was missed, and is made up for now"))
    return events


def _still_active(run: _Run) -> str:
    return f"not begun again for {_some(run.skipped)}: an earlier backup goes on"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (" and others" if len(names) > 5 else "")


def _since(schedule: BackupSchedule, now: datetime) -> datetime:
    since = schedule.status.last_schedule_time or schedule.metadata.creation_timestamp or now
    if schedule.spec.starting_deadline_seconds is not None:
        since = max(since, now - timedelta(seconds=max(schedule.spec.starting_deadline_seconds, 0)))
    return since


def _covered(schedule: BackupSchedule, machines: Iterable[VirtualMachine]) -> list[str]:
    """The names of the VMs."""
    template, selector = schedule.spec.job_template, schedule.spec.vm_selector
    if template is not None:
        return [template.spec.source.vm_name or ""]
    if selector is None:
        raise Terminal("InvalidSchedule", "write what to back up: jobTemplate, or vmSelector with destination")
    return sorted(
        vm.metadata.name
        for vm in machines
        if vm.key[0] == schedule.key[0]
        and vm.metadata.deletion_timestamp is None
        and matches(selector, vm.metadata.labels or {})
    )


def _seen(schedule: BackupSchedule, mine: Sequence[BackupJob]) -> BackupScheduleStatus:
    active = [ActiveJob(name=j.metadata.name, namespace=j.key[0], uid=j.metadata.uid) for j in mine if not j.is_over]
    done = [j.status.completion_time for j in mine if j.status.phase == "Completed" and j.status.completion_time]
    before = schedule.status.last_successful_time
    latest = max([*done, *([before] if before else [])], default=None)
    return schedule.status.but(active=active or None, last_successful_time=latest)


def _beyond_limits(schedule: BackupSchedule, mine: Sequence[BackupJob]) -> Iterable[BackupJob]:
    """Finished jobs of each VM beyond the limits of the history; what they stored stays."""
    spec = schedule.spec
    yield from _beyond(mine, spec.successful_jobs_history_limit, lambda job: job.status.phase == "Completed")
    yield from _beyond(mine, spec.failed_jobs_history_limit, lambda job: job.status.phase in {"Failed", "Cancelled"})


def _beyond(mine: Sequence[BackupJob], limit: int, counts: Callable[[BackupJob], bool]) -> Iterable[BackupJob]:
    seen: dict[str, int] = defaultdict(int)
    for job in mine:
        if counts(job):
            seen[job.machine[1]] += 1
            if seen[job.machine[1]] > limit and job.metadata.deletion_timestamp is None:
                yield job


def _said(
    status: BackupScheduleStatus, now: datetime, verdict: Verdict, reason: str, words: str
) -> BackupScheduleStatus:
    ready = Condition(type=READY, status=verdict, reason=reason, message=words)
    return status.but(conditions=with_condition(status.conditions, ready, now))


def _once(schedule: BackupSchedule, told: Told) -> tuple[Told, ...]:
    """The event, if the condition has not said the same before."""
    known = {(one.reason, one.message) for one in schedule.status.conditions or []}
    return () if told[1:] in known else (told,)
