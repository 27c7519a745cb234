"""The rows of the operation list: everything that is or was done to the VMs, whoever asked for it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from hypersdk.model.vmoperation import OperationPhase, VMOperation
from hypersdk.plaintext import plain
from tui.cells import Cells, Column
from tui.columns import age, in_namespaces, natural
from tui.filter import Texts, by_fields
from tui.listing import Listing, Sight, latest_first
from tui.tone import Span, Tone

COLUMNS: Final = (
    Column("vm", "VM", 17, rank=0, widest=32),
    Column("operation", "OPERATION", 9, rank=1),
    Column("status", "STATUS", 13, rank=2),
    Column("message", "MESSAGE", 26, rank=4, widest=100),
    Column("age", "AGE", 4, rank=3, right=True),
)
_TONES: Final = {
    OperationPhase.SUCCEEDED: Tone.OK,
    OperationPhase.FAILED: Tone.BAD,
    OperationPhase.CANCELLED: Tone.WARN,
    OperationPhase.PENDING: Tone.DIM,
    OperationPhase.RUNNING: Tone.ACCENT,
}


def began(op: VMOperation) -> datetime | None:
    """When somebody asked for it."""
    return op.metadata.creation_timestamp or op.status.start_time


def _cells(op: VMOperation, sight: Sight) -> Cells:
    signs = {OperationPhase.SUCCEEDED: sight.glyphs.well, OperationPhase.FAILED: sight.glyphs.failed}
    percent = f" {op.status.progress}%" if op.status.progress and not op.phase.is_over else ""
    return (
        Span(plain(op.spec.vm_ref.name)),
        *((Span(plain(op.metadata.namespace or "")),) if sight.all_namespaces else ()),
        Span(op.spec.operation),
        Span(f"{signs.get(op.phase, sight.glyphs.busy)} {op.phase}{percent}", _TONES[op.phase]),
        Span(plain(op.status.message or "")),
        Span(age(began(op), sight.now), Tone.DIM),
    )


_FIELDS: Final[Mapping[str, Texts[VMOperation]]] = {
    "name": lambda op: [op.spec.vm_ref.name],
    "ns": lambda op: [op.metadata.namespace or ""],
    "op": lambda op: [op.spec.operation],
    "status": lambda op: [str(op.phase)],
}
_SORTS: Final = {
    "vm": lambda op: natural(op.spec.vm_ref.name),
    "name": lambda op: natural(op.spec.vm_ref.name),
    "status": lambda op: (str(op.phase),),
    "age": lambda op: (latest_first(began(op)),),
}

OPERATIONS: Final = Listing[VMOperation](
    word="operations",
    columns=in_namespaces(COLUMNS),
    cells=_cells,
    sorts=_SORTS,
    wanted=by_fields(_FIELDS),
    cache=lambda feed: feed.operations,
    moved=lambda changes: changes.operations,
    sort="age",
    says=lambda op: op.status.message or "",
)
