"""What the detail says of a VM's snapshots: which there are, and which stands on which."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from hypersdk.model.quantity import human_bytes
from hypersdk.model.vmsnapshot import VMSnapshot
from hypersdk.plaintext import plain
from tui.cells import Key
from tui.columns import age
from tui.glyphs import Glyphs
from tui.tone import Line, Span, Tone, line

DEEPEST = 8
"""From here on no further to the right."""


def lineage(vm: Key, snapshots: Iterable[VMSnapshot], now: datetime, glyphs: Glyphs) -> list[Line]:
    """The VM's snapshots as a tree, the oldest first."""
    own = sorted((one for one in snapshots if one.machine == vm), key=lambda one: _born(one, now))
    if not own:
        return [line(Span("Snapshots", Tone.ACCENT), Span("  none", Tone.DIM))]
    rows = [_row(one, depth, now, glyphs) for one, depth in _tree(own)]
    return [line(Span("Snapshots", Tone.ACCENT), Span(f"  {len(own)}", Tone.DIM)), *rows]


def _tree(own: list[VMSnapshot]) -> Iterator[tuple[VMSnapshot, int]]:
    """Each behind the one that it stands on, with its depth; one whose parent is gone stands at the edge."""
    names = {one.metadata.name for one in own}
    parent = {one.metadata.name: one.status.parent_snapshot for one in own}
    seen: set[str] = set()

    def below(name: str | None, depth: int) -> Iterator[tuple[VMSnapshot, int]]:
        for one in own:
            above = parent[one.metadata.name]
            if one.metadata.name not in seen and (above if above in names else None) == name:
                seen.add(one.metadata.name)
                yield one, depth
                yield from below(one.metadata.name, depth + 1)

    yield from below(None, 0)
    yield from ((one, 0) for one in own if one.metadata.name not in seen)  # a circle is drawn flat


def _row(snapshot: VMSnapshot, depth: int, now: datetime, glyphs: Glyphs) -> Line:
    seen, indent = snapshot.status, "  " * min(depth, DEEPEST)
    phase = seen.phase or "Pending"
    sign, tone = (glyphs.well, Tone.OK) if phase == "Ready" else (glyphs.busy, Tone.ACCENT)
    if phase == "Failed":
        sign, tone = glyphs.failed, Tone.BAD
    size = "" if seen.size_bytes is None else human_bytes(seen.size_bytes)
    facts = "  ".join(filter(None, (seen.consistency or "", size, age(_born(snapshot, now), now))))
    name = f"  {indent}{'└ ' if depth else ''}{plain(snapshot.metadata.name)}"
    return line(name, Span(f"  {sign} {phase}", tone), Span(f"  {facts}", Tone.DIM))


def _born(snapshot: VMSnapshot, now: datetime) -> datetime:
    return snapshot.status.creation_time or snapshot.metadata.creation_timestamp or now
