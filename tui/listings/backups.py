"""The rows of the backup list: what was stored of which VM, where, and what came of it."""

from collections.abc import Mapping
from typing import Final

from hypersdk.model.backupjob import BackupJob
from hypersdk.model.base import condition
from hypersdk.model.kinds import BACKUP_JOBS
from hypersdk.model.quantity import human_bytes
from hypersdk.plaintext import plain
from tui.cells import Cells, Column
from tui.columns import age, in_namespaces, natural
from tui.filter import Texts, by_fields
from tui.listing import Listing, Sight, latest_first
from tui.tone import Span, Tone

COLUMNS: Final = (
    Column("vm", "VM", 17, rank=0, widest=32),
    Column("status", "STATUS", 14, rank=1),
    Column("kind", "KIND", 11, rank=5),
    Column("size", "SIZE", 7, rank=3, right=True),
    Column("to", "TO", 5, rank=6),
    Column("message", "MESSAGE", 26, rank=4, widest=100),
    Column("age", "AGE", 4, rank=2, right=True),
)
_TONES: Final = {
    "Completed": Tone.OK,
    "Failed": Tone.BAD,
    "Cancelled": Tone.WARN,
    "Pending": Tone.DIM,
    "Running": Tone.ACCENT,
}


def message(job: BackupJob) -> str:
    """What came of it; of one that goes on what it waits for; of one that was checked and is damaged what is."""
    verified = condition(job.status.conditions, "Verified")
    if verified is not None and verified.status == "False":
        return f"{verified.reason}: {verified.message}"
    found = condition(job.status.conditions, "Succeeded" if job.is_over else "Running")
    return (found.message or "") if found else ""


def _cells(job: BackupJob, sight: Sight) -> Cells:
    phase = job.status.phase or "Pending"
    signs = {"Completed": sight.glyphs.well, "Failed": sight.glyphs.failed}
    done = job.status.progress.percentage if job.status.progress else None
    percent = f" {done:.0f}%" if done and not job.is_over else ""
    return (
        Span(plain(job.spec.source.vm_name or "")),
        *((Span(plain(job.metadata.namespace or "")),) if sight.all_namespaces else ()),
        Span(f"{signs.get(phase, sight.glyphs.busy)} {phase}{percent}", _TONES[phase]),
        Span(job.status.kind or ""),
        Span("" if job.status.size is None else human_bytes(job.status.size)),
        Span(job.spec.destination.type),
        Span(plain(message(job))),
        Span(age(job.metadata.creation_timestamp, sight.now), Tone.DIM),
    )


_FIELDS: Final[Mapping[str, Texts[BackupJob]]] = {
    "name": lambda job: [job.spec.source.vm_name or "", job.metadata.name],
    "ns": lambda job: [job.metadata.namespace or ""],
    "status": lambda job: [job.status.phase or "Pending"],
    "to": lambda job: [job.spec.destination.type],
}
_SORTS: Final = {
    "vm": lambda job: natural(job.spec.source.vm_name or ""),
    "name": lambda job: natural(job.spec.source.vm_name or ""),
    "status": lambda job: (job.status.phase or "",),
    "age": lambda job: (latest_first(job.metadata.creation_timestamp),),
}

BACKUPS: Final = Listing[BackupJob](
    word="backups",
    columns=in_namespaces(COLUMNS),
    cells=_cells,
    sorts=_SORTS,
    wanted=by_fields(_FIELDS),
    cache=lambda feed: feed.follow(BACKUP_JOBS),
    moved=lambda changes: changes.of(BACKUP_JOBS.plural),
    sort="age",
    says=message,
)
