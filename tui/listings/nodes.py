"""The rows of the node list: which hosts there are, what is left on them, and how they are."""

from collections.abc import Mapping
from typing import Final

from hypersdk.model.base import condition
from hypersdk.model.quantity import human_bytes, to_bytes
from hypersdk.model.vmnode import VMNode
from hypersdk.plaintext import plain
from tui.cells import Cells, Column
from tui.columns import age, natural
from tui.filter import Texts, by_fields
from tui.listing import Listing, Sight, latest_first
from tui.tone import Span, Tone

COLUMNS: Final = (
    Column("name", "NODE", 14, rank=0, widest=32),
    Column("status", "STATUS", 22, rank=1, widest=48),
    Column("vms", "VMS", 4, rank=2, right=True),
    Column("cpus", "CPUS", 4, rank=4, right=True),
    Column("memory", "MEMORY", 7, rank=5, right=True),
    Column("virt", "VIRT", 4, rank=3),
    Column("qemu", "QEMU", 7, rank=7),
    Column("heard", "HEARD", 5, rank=6, right=True),
)


def status(node: VMNode) -> tuple[str, bool]:
    """Its state in a few words, and whether that is a good one."""
    ready = condition(node.status.conditions, "Ready")
    if ready is None or ready.status != "True":
        return f"NotReady {ready.reason if ready and ready.reason else ''}".rstrip(), False
    pressing = [
        one.type for one in node.status.conditions or [] if one.type.endswith("Pressure") and one.status == "True"
    ]
    words = "Ready" + (",cordoned" if node.spec.unschedulable else "")
    return " ".join([words, *pressing]), not pressing


def says(node: VMNode) -> str:
    """Why it is not ready; what presses it."""
    wrong = [one for one in node.status.conditions or [] if (one.status == "True") is one.type.endswith("Pressure")]
    return "; ".join(one.message or one.reason or one.type for one in wrong)


def _cells(node: VMNode, sight: Sight) -> Cells:
    seen, (words, is_well) = node.status, status(node)
    sign = sight.glyphs.well if is_well else sight.glyphs.failed
    tone = Tone.BAD if not is_well else Tone.WARN if node.spec.unschedulable else Tone.OK
    return (
        Span(plain(node.metadata.name)),
        Span(f"{sign} {plain(words)}", tone),
        Span("" if seen.running_vms is None else str(seen.running_vms)),
        Span(str((seen.allocatable.cpus if seen.allocatable else None) or "")),
        Span(_memory(node)),
        Span(seen.virt_type or ""),
        Span(plain((seen.versions.qemu if seen.versions else None) or "")),
        Span(age(seen.last_heartbeat_time, sight.now), Tone.DIM),
    )


def _memory(node: VMNode) -> str:
    offered = node.status.allocatable
    try:
        return human_bytes(to_bytes(offered.memory)) if offered and offered.memory else ""
    except ValueError:
        return plain(offered.memory or "") if offered else ""


_FIELDS: Final[Mapping[str, Texts[VMNode]]] = {
    "name": lambda node: [node.metadata.name],
    "status": lambda node: [status(node)[0]],
}
_SORTS: Final = {
    "name": lambda node: natural(node.metadata.name),
    "status": lambda node: (status(node)[0],),
    "vms": lambda node: (float(node.status.running_vms or 0),),
    "age": lambda node: (latest_first(node.status.last_heartbeat_time),),
}

NODES: Final = Listing[VMNode](
    word="nodes",
    columns=lambda _, __: COLUMNS,
    cells=_cells,
    sorts=_SORTS,
    wanted=by_fields(_FIELDS),
    cache=lambda feed: feed.nodes,
    moved=lambda changes: changes.nodes,
    says=says,
)
