"""The rows of the snapshot list: what was kept of which VM, how good it is, and on what it stands."""

from collections.abc import Mapping
from typing import Final

from hypersdk.model.base import condition
from hypersdk.model.kinds import VM_SNAPSHOTS
from hypersdk.model.quantity import human_bytes
from hypersdk.model.vmsnapshot import VMSnapshot
from hypersdk.plaintext import plain
from tui.cells import Cells, Column
from tui.columns import age, in_namespaces, natural
from tui.filter import Texts, by_fields
from tui.listing import Listing, Sight, latest_first
from tui.tone import Span, Tone

COLUMNS: Final = (
    Column("name", "SNAPSHOT", 20, rank=0, widest=36),
    Column("vm", "VM", 10, rank=1, widest=32),
    Column("status", "STATUS", 10, rank=2, widest=30),
    Column("consistency", "CONSISTENCY", 11, rank=4, widest=16),
    Column("size", "SIZE", 7, rank=5, right=True),
    Column("parent", "PARENT", 10, rank=6, widest=36),
    Column("message", "MESSAGE", 20, rank=7, widest=80),
    Column("age", "AGE", 4, rank=3, right=True),
)
_TONES: Final = {
    "Ready": Tone.OK,
    "Failed": Tone.BAD,
    "Expired": Tone.WARN,
    "Deleting": Tone.WARN,
    "Pending": Tone.DIM,
    "Creating": Tone.ACCENT,
}


def status(snapshot: VMSnapshot, sight: Sight) -> Span:
    """Its phase with a sign, and why it is not a good one in a word."""
    phase = snapshot.status.phase or "Pending"
    ready = condition(snapshot.status.conditions, "Ready")
    why = ready.reason if ready is not None and ready.status == "False" and ready.reason != phase else None
    signs = {"Ready": sight.glyphs.well, "Failed": sight.glyphs.failed}
    return Span(plain(f"{signs.get(phase, sight.glyphs.busy)} {phase} {why or ''}").rstrip(), _TONES[phase])


def message(snapshot: VMSnapshot) -> str:
    """Why it is not ready; of one that is, why it is as consistent as it is; else what it is for."""
    ready = condition(snapshot.status.conditions, "Ready")
    if ready is not None and ready.status != "True":
        return ready.message or ready.reason or ""
    consistent = condition(snapshot.status.conditions, "Consistent")
    return snapshot.spec.description or (consistent.message if consistent else "") or ""


def _cells(snapshot: VMSnapshot, sight: Sight) -> Cells:
    seen = snapshot.status
    return (
        Span(plain(snapshot.metadata.name)),
        *((Span(plain(snapshot.metadata.namespace or "")),) if sight.all_namespaces else ()),
        Span(plain(snapshot.spec.vm_ref.name)),
        status(snapshot, sight),
        Span(seen.consistency or "", Tone.WARN if seen.consistency == "CrashConsistent" else Tone.PLAIN),
        Span("" if seen.size_bytes is None else human_bytes(seen.size_bytes)),
        Span(plain(seen.parent_snapshot or ""), Tone.DIM),
        Span(plain(message(snapshot))),
        Span(age(seen.creation_time or snapshot.metadata.creation_timestamp, sight.now), Tone.DIM),
    )


_FIELDS: Final[Mapping[str, Texts[VMSnapshot]]] = {
    "name": lambda one: [one.metadata.name],
    "ns": lambda one: [one.metadata.namespace or ""],
    "vm": lambda one: [one.spec.vm_ref.name],
    "status": lambda one: [one.status.phase or "Pending", one.status.consistency or ""],
}
_SORTS: Final = {
    "name": lambda one: natural(one.metadata.name),
    "vm": lambda one: natural(one.spec.vm_ref.name),
    "status": lambda one: (one.status.phase or "",),
    "age": lambda one: (latest_first(one.metadata.creation_timestamp),),
}

SNAPSHOTS: Final = Listing[VMSnapshot](
    word="snapshots",
    columns=in_namespaces(COLUMNS),
    cells=_cells,
    sorts=_SORTS,
    wanted=by_fields(_FIELDS),
    cache=lambda feed: feed.follow(VM_SNAPSHOTS),
    moved=lambda changes: changes.of(VM_SNAPSHOTS.plural),
    sort="age",
    says=message,
)
