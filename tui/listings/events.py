"""The rows of the event list: what the controllers wrote about the VMs, newest first."""

from collections.abc import Mapping
from typing import Final

from hypersdk.model.core import Event
from hypersdk.plaintext import plain
from tui.cells import Cells, Column
from tui.columns import NAMESPACE, age, natural
from tui.filter import Texts, by_fields
from tui.listing import Listing, Sight, latest_first
from tui.tone import Span, Tone

COLUMNS: Final = (
    Column("age", "AGE", 4, rank=1, right=True),
    Column("vm", "VM", 15, rank=0, widest=32),
    Column("reason", "REASON", 18, rank=2, widest=28),
    Column("count", "N", 3, rank=4, right=True),
    Column("message", "MESSAGE", 30, rank=3, widest=120),
)


def _columns(all_namespaces: bool, _: object) -> tuple[Column, ...]:
    return (*COLUMNS[:2], NAMESPACE, *COLUMNS[2:]) if all_namespaces else COLUMNS


def _cells(event: Event, sight: Sight) -> Cells:
    is_warning = event.type == "Warning"
    return (
        Span(age(event.seen_at, sight.now), Tone.DIM),
        Span(plain(event.involved_object.name or "")),
        *((Span(plain(event.metadata.namespace or "")),) if sight.all_namespaces else ()),
        Span(f"{'! ' if is_warning else ''}{plain(event.reason or '')}", Tone.WARN if is_warning else Tone.PLAIN),
        Span(str(event.count) if event.count and event.count > 1 else "", Tone.DIM),
        Span(plain(event.message or "")),
    )


_FIELDS: Final[Mapping[str, Texts[Event]]] = {
    "name": lambda event: [event.involved_object.name or ""],
    "ns": lambda event: [event.metadata.namespace or ""],
    "reason": lambda event: [event.reason or ""],
    "status": lambda event: [event.type or ""],
    "message": lambda event: [event.message or ""],
}
_SORTS: Final = {
    "age": lambda event: (latest_first(event.seen_at),),
    "name": lambda event: natural(event.involved_object.name or ""),
    "vm": lambda event: natural(event.involved_object.name or ""),
    "status": lambda event: (event.type or "",),
}

EVENTS: Final = Listing[Event](
    word="events",
    columns=_columns,
    cells=_cells,
    sorts=_SORTS,
    wanted=by_fields(_FIELDS),
    cache=lambda feed: feed.events,
    moved=lambda changes: changes.events,
    sort="age",
    says=lambda event: event.message or "",
)
