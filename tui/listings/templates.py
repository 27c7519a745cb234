"""The rows of the template list: what VMs can be made of, and why not of one that is not ready."""

from collections.abc import Mapping
from typing import Final

from hypersdk.model.base import condition
from hypersdk.model.kinds import VM_TEMPLATES
from hypersdk.model.vmtemplate import VMTemplate
from hypersdk.plaintext import plain
from tui.cells import Cells, Column
from tui.columns import age, in_namespaces, natural
from tui.filter import Texts, by_fields
from tui.listing import Listing, Sight, latest_first
from tui.tone import Span, Tone

COLUMNS: Final = (
    Column("name", "TEMPLATE", 14, rank=0, widest=36),
    Column("status", "STATUS", 18, rank=1, widest=28),
    Column("usage", "VMS", 3, rank=2, right=True),
    Column("version", "VERSION", 8, rank=6),
    Column("source", "SOURCE", 14, rank=4, widest=60),
    Column("message", "MESSAGE", 16, rank=5, widest=80),
    Column("age", "AGE", 4, rank=3, right=True),
)


def status(template: VMTemplate) -> tuple[str, Tone]:
    """Whether VMs can be made of it, else why not in a word."""
    if template.status.ready:
        return "Ready", Tone.OK
    found = condition(template.status.conditions, "Ready")
    if found is None:
        return "Pending", Tone.DIM
    return found.reason or "NotReady", Tone.ACCENT if found.status == "Unknown" else Tone.BAD


def message(template: VMTemplate) -> str:
    """Why it is not ready; of one that is, what it is."""
    found = condition(template.status.conditions, "Ready")
    words = "" if found is None or template.status.ready else found.message or ""
    return words or template.spec.description or template.spec.display_name


def _cells(template: VMTemplate, sight: Sight) -> Cells:
    words, tone = status(template)
    sign = {Tone.OK: sight.glyphs.well, Tone.BAD: sight.glyphs.failed}.get(tone, sight.glyphs.busy)
    return (
        Span(plain(template.metadata.name)),
        *((Span(plain(template.metadata.namespace or "")),) if sight.all_namespaces else ()),
        Span(f"{sign} {plain(words)}", tone),
        Span(str(template.status.usage_count or 0)),
        Span(plain(template.spec.version)),
        Span(plain(template.spec.image.source), Tone.DIM),
        Span(plain(message(template))),
        Span(age(template.metadata.creation_timestamp, sight.now), Tone.DIM),
    )


_FIELDS: Final[Mapping[str, Texts[VMTemplate]]] = {
    "name": lambda one: [one.metadata.name],
    "ns": lambda one: [one.metadata.namespace or ""],
    "status": lambda one: [status(one)[0]],
    "source": lambda one: [one.spec.image.source],
}
_SORTS: Final = {
    "name": lambda one: natural(one.metadata.name),
    "status": lambda one: (status(one)[0],),
    "usage": lambda one: (float(one.status.usage_count or 0),),
    "age": lambda one: (latest_first(one.metadata.creation_timestamp),),
}

TEMPLATES: Final = Listing[VMTemplate](
    word="templates",
    columns=in_namespaces(COLUMNS),
    cells=_cells,
    sorts=_SORTS,
    wanted=by_fields(_FIELDS),
    cache=lambda feed: feed.follow(VM_TEMPLATES),
    moved=lambda changes: changes.of(VM_TEMPLATES.plural),
    says=message,
)
