"""The status of a BackupJob or RestoreJob at each of its turns. Pure."""

from datetime import datetime, timedelta
from typing import Final, Literal, TypeVar

from hypersdk.model.backupjob import BackupJobStatus, JobPhase, JobProgress
from hypersdk.model.base import Condition, with_condition
from hypersdk.model.restorejob import RestoreJobStatus
from hypersdk.plaintext import plain

SUCCEEDED: Final = "Succeeded"
RUNNING: Final = "Running"
CONSISTENT: Final = "Consistent"
INCREMENTAL: Final = "Incremental"
CARBON: Final = "CarbonAware"
VERIFIED: Final = "Verified"
DATA_DELETED: Final = "DataDeleted"
Verdict = Literal["True", "False", "Unknown"]
S = TypeVar("S", BackupJobStatus, RestoreJobStatus)


def conditions(old: list[Condition] | None, now: datetime, *news: tuple[str, Verdict, str, str]) -> list[Condition]:
    """The conditions with some said anew: type, status, reason, words."""
    found = list(old or [])
    for kind, verdict, reason, words in news:
        new = Condition(type=kind, status=verdict, reason=reason, message=plain(words)[:1000])
        found = with_condition(found, new, now)
    return found


def ended(status: S, now: datetime, phase: JobPhase, reason: str, words: str) -> S:
    """The status of a job of which nothing came."""
    news: list[tuple[str, Verdict, str, str]] = [(SUCCEEDED, "False", reason, words)]
    if status.start_time is not None:
        news.append((RUNNING, "False", reason, "it is over"))
    said = conditions(status.conditions, now, *news)
    return status.but(phase=phase, completion_time=now, conditions=said, error=words)


def progress(phase: str, done: int, total: int, began: datetime, now: datetime, span: tuple[int, int]) -> JobProgress:
    """How far it is: the phase is that part of the whole which `span` says, in percent."""
    first, last = span
    part = done / total if total else 0.0
    seconds = (now - began).total_seconds()
    speed = int(done / seconds) if seconds > 0 else 0
    left = timedelta(seconds=(total - done) / speed) if speed and total else None
    return JobProgress(
        percentage=round(first + part * (last - first), 1),
        bytes_transferred=done,
        total_bytes=total,
        current_phase=phase,
        estimated_completion=now + left if left is not None and left < timedelta(days=30) else None,
        bytes_per_second=speed,
    )
