"""The rows of the schedule list: when backups are made, of what, and when one was last."""

from collections.abc import Mapping
from typing import Final

from hypersdk.model.backupschedule import BackupSchedule
from hypersdk.model.base import condition
from hypersdk.model.kinds import BACKUP_SCHEDULES
from hypersdk.plaintext import plain
from tui.cells import Cells, Column
from tui.columns import age, in_namespaces, natural
from tui.filter import Texts, by_fields
from tui.listing import Listing, Sight, latest_first
from tui.tone import Span, Tone

COLUMNS: Final = (
    Column("name", "SCHEDULE", 16, rank=0, widest=36),
    Column("cron", "CRON", 12, rank=1, widest=30),
    Column("zone", "ZONE", 8, rank=7, widest=24),
    Column("status", "STATUS", 12, rank=2, widest=28),
    Column("vms", "VMS", 14, rank=5, widest=40),
    Column("last", "LAST", 4, rank=3, right=True),
    Column("good", "GOOD", 4, rank=4, right=True),
    Column("message", "MESSAGE", 20, rank=6, widest=80),
)


def status(schedule: BackupSchedule) -> tuple[str, Tone]:
    """Whether it is on, and whether it can do what it says."""
    if schedule.spec.suspend:
        return "Suspended", Tone.WARN
    found = condition(schedule.status.conditions, "Ready")
    if found is not None and found.status == "False":
        return found.reason or f"not {found.type}", Tone.BAD
    active = len(schedule.status.active or [])
    return (f"{active} running", Tone.ACCENT) if active else ("On", Tone.OK)


def message(schedule: BackupSchedule) -> str:
    """What is wrong with it, or when its next run is; what came of a run at once is told to who asked for it."""
    found = condition(schedule.status.conditions, "Ready")
    return (found.message or "") if found else ""


def covered(schedule: BackupSchedule) -> str:
    """The VM, or the labels of the VMs."""
    spec = schedule.spec
    if spec.job_template is not None:
        return spec.job_template.spec.source.vm_name or ""
    labels = (spec.vm_selector.match_labels if spec.vm_selector else None) or {}
    return ",".join(f"{name}={value}" for name, value in labels.items())


def _cells(schedule: BackupSchedule, sight: Sight) -> Cells:
    words, tone = status(schedule)
    sign = {Tone.OK: sight.glyphs.well, Tone.BAD: sight.glyphs.failed}.get(tone, sight.glyphs.busy)
    return (
        Span(plain(schedule.metadata.name)),
        *((Span(plain(schedule.metadata.namespace or "")),) if sight.all_namespaces else ()),
        Span(plain(schedule.spec.schedule)),
        Span(plain(schedule.spec.timezone), Tone.DIM),
        Span(f"{sign} {plain(words)}", tone),
        Span(plain(covered(schedule))),
        Span(age(schedule.status.last_schedule_time, sight.now), Tone.DIM),
        Span(age(schedule.status.last_successful_time, sight.now), Tone.DIM),
        Span(plain(message(schedule))),
    )


_FIELDS: Final[Mapping[str, Texts[BackupSchedule]]] = {
    "name": lambda one: [one.metadata.name],
    "ns": lambda one: [one.metadata.namespace or ""],
    "status": lambda one: [status(one)[0]],
    "vm": lambda one: [covered(one)],
}
_SORTS: Final = {
    "name": lambda one: natural(one.metadata.name),
    "status": lambda one: (status(one)[0],),
    "age": lambda one: (latest_first(one.status.last_schedule_time),),
}

SCHEDULES: Final = Listing[BackupSchedule](
    word="schedules",
    columns=in_namespaces(COLUMNS),
    cells=_cells,
    sorts=_SORTS,
    wanted=by_fields(_FIELDS),
    cache=lambda feed: feed.follow(BACKUP_SCHEDULES),
    moved=lambda changes: changes.of(BACKUP_SCHEDULES.plural),
    says=message,
)
