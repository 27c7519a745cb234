"""The rows of the restore list: which backups were made into VMs again, and what came of it."""

from collections.abc import Mapping
from typing import Final

from hypersdk.model.base import condition
from hypersdk.model.kinds import RESTORE_JOBS
from hypersdk.model.restorejob import RestoreJob
from hypersdk.plaintext import plain
from tui.cells import Cells, Column
from tui.columns import age, in_namespaces, natural
from tui.filter import Texts, by_fields
from tui.listing import Listing, Sight, latest_first
from tui.tone import Span, Tone

COLUMNS: Final = (
    Column("name", "RESTORE", 16, rank=0, widest=40),
    Column("vm", "VM", 12, rank=1, widest=32),
    Column("status", "STATUS", 14, rank=2),
    Column("from", "FROM", 14, rank=5, widest=40),
    Column("message", "MESSAGE", 20, rank=4, widest=100),
    Column("age", "AGE", 4, rank=3, right=True),
)
_TONES: Final = {
    "Completed": Tone.OK,
    "Failed": Tone.BAD,
    "Cancelled": Tone.WARN,
    "Pending": Tone.DIM,
    "Running": Tone.ACCENT,
}


def machine(job: RestoreJob) -> str:
    """The VM that it becomes, or became."""
    return job.status.restored_vm_name or job.spec.destination.vm_name or ""


def source(job: RestoreJob) -> str:
    """The backup, or where it lies."""
    of = job.spec.source
    named = of.backup_job_ref.name if of.backup_job_ref else None
    return named or "/".join(filter(None, (of.bucket, of.path)))


def message(job: RestoreJob) -> str:
    """What came of it; of one that goes on what it waits for."""
    found = condition(job.status.conditions, "Succeeded" if job.is_over else "Running")
    return (found.message if found else "") or job.status.error or ""


def _cells(job: RestoreJob, sight: Sight) -> Cells:
    phase = job.status.phase or "Pending"
    signs = {"Completed": sight.glyphs.well, "Failed": sight.glyphs.failed}
    done = job.status.progress.percentage if job.status.progress else None
    percent = f" {done:.0f}%" if done and not job.is_over else ""
    return (
        Span(plain(job.metadata.name)),
        *((Span(plain(job.metadata.namespace or "")),) if sight.all_namespaces else ()),
        Span(plain(machine(job))),
        Span(f"{signs.get(phase, sight.glyphs.busy)} {phase}{percent}", _TONES[phase]),
        Span(plain(source(job)), Tone.DIM),
        Span(plain(message(job))),
        Span(age(job.metadata.creation_timestamp, sight.now), Tone.DIM),
    )


_FIELDS: Final[Mapping[str, Texts[RestoreJob]]] = {
    "name": lambda job: [job.metadata.name],
    "ns": lambda job: [job.metadata.namespace or ""],
    "vm": lambda job: [machine(job)],
    "status": lambda job: [job.status.phase or "Pending"],
}
_SORTS: Final = {
    "name": lambda job: natural(job.metadata.name),
    "status": lambda job: (job.status.phase or "",),
    "age": lambda job: (latest_first(job.metadata.creation_timestamp),),
}

RESTORES: Final = Listing[RestoreJob](
    word="restores",
    columns=in_namespaces(COLUMNS),
    cells=_cells,
    sorts=_SORTS,
    wanted=by_fields(_FIELDS),
    cache=lambda feed: feed.follow(RESTORE_JOBS),
    moved=lambda changes: changes.of(RESTORE_JOBS.plural),
    sort="age",
    says=message,
)
