"""What the VM list says of a VM: which columns there are, what stands in them, and how they sort."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final

from hypersdk.model.base import condition
from hypersdk.model.virtualmachine import Phase, VirtualMachine
from hypersdk.model.vmoperation import VMOperation
from hypersdk.plaintext import plain
from tui.cells import Cells, Column, SortKey
from tui.glyphs import Glyphs
from tui.tone import Span, Tone

NAMESPACE: Final = Column("namespace", "NAMESPACE", 12, rank=1, widest=24)
COLUMNS: Final = (
    Column("name", "NAME", 17, rank=0, widest=32),
    Column("status", "STATUS", 21, rank=2, widest=36),
    Column("cpu", "CPU%", 5, rank=5, right=True),
    Column("memory", "MEM", 11, rank=6, right=True),
    Column("node", "NODE", 12, rank=8, widest=20),
    Column("ip", "IP", 15, rank=7, widest=26),
    Column("age", "AGE", 4, rank=4, right=True),
)
TONES: Final[Mapping[Phase, Tone]] = {
    Phase.RUNNING: Tone.OK,
    Phase.STOPPED: Tone.DIM,
    Phase.FAILED: Tone.BAD,
    Phase.UNKNOWN: Tone.BAD,
    Phase.PENDING: Tone.WARN,
    Phase.CREATING: Tone.WARN,
    Phase.PAUSED: Tone.WARN,
    Phase.MIGRATING: Tone.ACCENT,
}
_DIGITS: Final = re.compile(r"(\d+)")


def columns(all_namespaces: bool) -> tuple[Column, ...]:
    """The columns of the list; the namespace is said only where there can be several."""
    return (COLUMNS[0], NAMESPACE, *COLUMNS[1:]) if all_namespaces else COLUMNS


def cells(vm: VirtualMachine, pending: VMOperation | None, now: datetime, glyphs: Glyphs, namespaces: bool) -> Cells:
    """One row; `pending` is the operation that is being done to the VM."""
    status = vm.status
    used = status.resources.cpu.usage if status.resources and status.resources.cpu else None
    row = (
        Span(plain(vm.metadata.name)),
        *((Span(plain(vm.metadata.namespace or "")),) if namespaces else ()),
        status_cell(vm, pending, glyphs),
        Span(plain((used or "").removesuffix("%"))),
        Span(memory(vm)),
        Span(plain(status.node_name or "")),
        Span(plain(next(iter(status.ip_addresses or []), ""))),
        Span(age(vm.metadata.creation_timestamp, now), Tone.DIM),
    )
    return row


def status_cell(vm: VirtualMachine, pending: VMOperation | None, glyphs: Glyphs) -> Span:
    """Sign, phase and, where the VM is not well or busy, a short why."""
    sign, phase = glyphs.phases[vm.phase], vm.phase
    if vm.metadata.deletion_timestamp is not None:
        return Span(f"{glyphs.busy} deleting, {phase}", Tone.WARN)
    if pending is not None:
        percent = f" {pending.status.progress}%" if pending.status.progress else ""
        return Span(f"{glyphs.busy} {pending.spec.operation}{percent}, {phase}", Tone.ACCENT)
    reason = trouble(vm)
    tone = Tone.WARN if reason and phase is Phase.RUNNING else TONES[phase]
    return Span(f"{sign} {phase} {reason}".rstrip(), tone)


def trouble(vm: VirtualMachine) -> str:
    """Why the VM is not well, in a word or two; empty when it is, or when it is off as asked."""
    progress = vm.status.image_progress
    if vm.phase in {Phase.PENDING, Phase.CREATING} and progress and progress.total_bytes:
        return f"image {min(100, 100 * progress.bytes_transferred // progress.total_bytes)}%"
    ready = condition(vm.status.conditions, "Ready")
    if vm.phase is Phase.STOPPED or ready is None or ready.status == "True":
        return ""
    return plain(ready.reason or ready.message or "")


def memory(vm: VirtualMachine) -> str:
    """In use and granted, or only granted."""
    used = vm.status.resources.memory.usage if vm.status.resources and vm.status.resources.memory else None
    return plain(f"{used}/{vm.spec.memory}" if used else vm.spec.memory)


def age(since: datetime | None, now: datetime) -> str:
    """How long ago, in the largest unit that is not zero."""
    if since is None:
        return ""
    seconds = max(0, int((now - since).total_seconds()))
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


@lru_cache(maxsize=32768)
def natural(text: str) -> SortKey:
    """Sorts vm-2 before vm-10."""
    return tuple(float(part) if index % 2 else part for index, part in enumerate(_DIGITS.split(text)))


def _percent(vm: VirtualMachine) -> float:
    resources = vm.status.resources
    usage = resources.cpu.usage if resources and resources.cpu else None
    try:
        return float((usage or "-1").removesuffix("%"))
    except ValueError:
        return -1.0


def _bytes(vm: VirtualMachine) -> float:
    from hypersdk.model.quantity import to_bytes

    resources = vm.status.resources
    used = resources.memory.usage if resources and resources.memory else None
    try:
        return float(to_bytes(used or vm.spec.memory))
    except ValueError:
        return -1.0


def _born(vm: VirtualMachine) -> float:
    born = vm.metadata.creation_timestamp
    return -born.timestamp() if born else 0.0


SORTS: Final[Mapping[str, Callable[[VirtualMachine], SortKey]]] = {
    "name": lambda vm: natural(vm.metadata.name),
    "namespace": lambda vm: natural(vm.metadata.namespace or ""),
    "status": lambda vm: (str(vm.phase),),
    "cpu": lambda vm: (_percent(vm),),
    "memory": lambda vm: (_bytes(vm),),
    "node": lambda vm: natural(vm.status.node_name or ""),
    "ip": lambda vm: natural(next(iter(vm.status.ip_addresses or []), "")),
    "age": lambda vm: (_born(vm),),
}
"""How a VM sorts by a column, smallest first; youngest first by age."""
