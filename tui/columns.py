"""What the VM list says of a VM: which columns there are, what stands in them, and how they sort."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from hypersdk.model.phase import Phase
from hypersdk.plaintext import plain
from tui.cells import Cells, Column, SortKey
from tui.glyphs import Glyphs
from tui.tone import Span, Tone
from tui.trend import NO_TREND, TREND, Trend, spark

if TYPE_CHECKING:
    from hypersdk.model.virtualmachine import VirtualMachine
    from hypersdk.model.vmoperation import VMOperation

NAMESPACE: Final = Column("namespace", "NAMESPACE", 12, rank=1, widest=24)
COLUMNS: Final = (
    Column("name", "NAME", 17, rank=0, widest=32),
    NAMESPACE,
    Column("status", "STATUS", 21, rank=2, widest=36),
    Column("cpu", "CPU%", 5, rank=5, right=True),
    Column("cpu-trend", "CPU", TREND, rank=10, right=True),
    Column("memory", "MEM", 11, rank=6, right=True),
    Column("memory-trend", "MEM", TREND, rank=11, right=True),
    Column("node", "NODE", 12, rank=8, widest=20),
    Column("ip", "IP", 15, rank=7, widest=26),
    Column("via", "VIA", 5, rank=9, widest=9),
    Column("image", "IMAGE", 14, rank=12, widest=30),
    Column("labels", "LABELS", 14, rank=13, widest=40),
    Column("uptime", "UP", 4, rank=14, right=True),
    Column("age", "AGE", 4, rank=4, right=True),
)
"""All that there are, in their order; the namespace is said only where there can be several."""
USUAL: Final = ("name", "namespace", "status", "cpu", "cpu-trend", "memory", "memory-trend", "node", "ip", "via", "age")
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
FRESH: Final = timedelta(minutes=1)
_DIGITS: Final = re.compile(r"(\d+)")


@dataclass(frozen=True)
class Glance:
    """What beside the VM goes into its row."""

    now: datetime
    glyphs: Glyphs
    pending: "VMOperation | None" = None
    """The operation that is being done to it."""
    trend: Trend = NO_TREND


def columns(all_namespaces: bool, chosen: Collection[str] = USUAL) -> tuple[Column, ...]:
    """The columns of the list."""
    return tuple(one for one in COLUMNS if one.id in chosen and (all_namespaces or one is not NAMESPACE))


def cells(vm: "VirtualMachine", glance: Glance, columns: Sequence[Column]) -> Cells:
    """One row, a cell for each of the columns."""
    return tuple(_CELLS[one.id](vm, glance) for one in columns)


def status_cell(vm: "VirtualMachine", pending: "VMOperation | None", glyphs: Glyphs) -> Span:
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


def trouble(vm: "VirtualMachine") -> str:
    """Why the VM is not well, in a word or two; empty when it is, or when it is off as asked."""
    from hypersdk.model.base import condition

    progress = vm.status.image_progress
    if vm.phase in {Phase.PENDING, Phase.CREATING} and progress and progress.total_bytes:
        return f"image {min(100, 100 * progress.bytes_transferred // progress.total_bytes)}%"
    ready = condition(vm.status.conditions, "Ready")
    if vm.phase is Phase.STOPPED or ready is None or ready.status == "True":
        return ""
    words = ready.reason or ready.message or ""
    return "" if words == vm.phase else plain(words)


def memory(vm: "VirtualMachine") -> str:
    """In use and granted, or only granted."""
    used = vm.status.resources.memory.usage if vm.status.resources and vm.status.resources.memory else None
    return plain(f"{used}/{vm.spec.memory}" if used else vm.spec.memory)


def via(vm: "VirtualMachine", now: datetime) -> str:
    """Where the first address was read, and how long ago it was seen last when that is not just now."""
    first = next(iter(vm.status.addresses or []), None)
    if first is None:
        return ""
    old = age(first.last_seen, now) if first.last_seen and now - first.last_seen > FRESH else ""
    return f"{first.source} {old}".rstrip()


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


def _percent(vm: "VirtualMachine") -> float:
    resources = vm.status.resources
    usage = resources.cpu.usage if resources and resources.cpu else None
    try:
        return float((usage or "-1").removesuffix("%"))
    except ValueError:
        return -1.0


def _bytes(vm: "VirtualMachine") -> float:
    from hypersdk.model.quantity import to_bytes

    resources = vm.status.resources
    used = resources.memory.usage if resources and resources.memory else None
    try:
        return float(to_bytes(used or vm.spec.memory))
    except ValueError:
        return -1.0


def _born(vm: "VirtualMachine") -> float:
    born = vm.metadata.creation_timestamp
    return -born.timestamp() if born else 0.0


def _used_cpu(vm: "VirtualMachine") -> str:
    used = vm.status.resources.cpu.usage if vm.status.resources and vm.status.resources.cpu else None
    return plain((used or "").removesuffix("%"))


def _image(vm: "VirtualMachine") -> str:
    image = vm.spec.image
    if image is None:
        return ""
    return plain(image.source or (image.template_ref.name if image.template_ref else "") or "")


_CELLS: Final[Mapping[str, Callable[["VirtualMachine", Glance], Span]]] = {
    "name": lambda vm, _: Span(plain(vm.metadata.name)),
    "namespace": lambda vm, _: Span(plain(vm.metadata.namespace or "")),
    "status": lambda vm, glance: status_cell(vm, glance.pending, glance.glyphs),
    "cpu": lambda vm, _: Span(_used_cpu(vm)),
    "cpu-trend": lambda _, glance: Span(spark(glance.trend.cpu, TREND, glance.glyphs.braille), Tone.DIM),
    "memory": lambda vm, _: Span(memory(vm)),
    "memory-trend": lambda _, glance: Span(spark(glance.trend.memory, TREND, glance.glyphs.braille), Tone.DIM),
    "node": lambda vm, _: Span(plain(vm.status.node_name or "")),
    "ip": lambda vm, _: Span(plain(next(iter(vm.status.ip_addresses or []), ""))),
    "via": lambda vm, glance: Span(via(vm, glance.now), Tone.DIM),
    "image": lambda vm, _: Span(_image(vm)),
    "labels": lambda vm, _: Span(plain(" ".join(f"{k}={v}" for k, v in (vm.metadata.labels or {}).items())), Tone.DIM),
    "uptime": lambda vm, glance: Span(age(vm.started, glance.now) if vm.started else "", Tone.DIM),
    "age": lambda vm, glance: Span(age(vm.metadata.creation_timestamp, glance.now), Tone.DIM),
}
SORTS: Final[Mapping[str, Callable[["VirtualMachine"], SortKey]]] = {
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


def in_namespaces(columns: tuple[Column, ...]) -> Callable[[bool, Sequence[str]], tuple[Column, ...]]:
    """Columns that cannot be chosen; beside the first one the namespace, where rows are of all of them."""
    return lambda all_namespaces, _: (columns[0], NAMESPACE, *columns[1:]) if all_namespaces else columns
