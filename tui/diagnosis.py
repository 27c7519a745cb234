"""Why a VM is not well, as lines: the sentence, what helps, the chain from the wish down to the guest."""

from datetime import datetime
from typing import Final

from hypersdk.kube.cache import Health
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.plaintext import plain
from hypersdk.why.diagnosis import Diagnosis, Link, Verdict
from hypersdk.why.facts import Facts
from tui.feed import Feed
from tui.glyphs import Glyphs
from tui.tone import Line, Span, Tone, line

TONES: Final = {
    Verdict.WELL: Tone.OK,
    Verdict.BUSY: Tone.ACCENT,
    Verdict.BAD: Tone.BAD,
    Verdict.UNKNOWN: Tone.WARN,
}
_LEVEL: Final = 10


def facts(vm: VirtualMachine, feed: Feed, now: datetime) -> Facts:
    """What the console's caches have about the VM."""
    node = feed.nodes.get("", vm.status.node_name) if vm.status.node_name else None
    operations = [op for op in feed.operations if op.machine == vm.key]
    return Facts(vm, now, operations, node, nodes_known=feed.nodes.health is Health.LIVE)


def page(found: Diagnosis, command: str, key: str, glyphs: Glyphs) -> list[Line]:
    """The lines; `command` mends it, and `key` does that command here."""
    lines = [line(Span(plain(found.sentence), TONES[found.verdict])), line()]
    if command:
        lines += [line(Span(f"{key} ", Tone.ACCENT), Span(f"$ {plain(command)}", Tone.DIM)), line()]
    elif found.mend.advice:
        lines += [line(Span(plain(found.mend.advice), Tone.DIM)), line()]
    return lines + [row for link in found.chain for row in _rows(link, glyphs)]


def _rows(link: Link, glyphs: Glyphs) -> list[Line]:
    sign = {Verdict.WELL: glyphs.well, Verdict.BUSY: glyphs.busy, Verdict.BAD: glyphs.failed}.get(link.verdict, "?")
    head = line(
        Span(f"{sign} ", TONES[link.verdict]), Span(f"{link.level.value:<{_LEVEL}}", Tone.DIM), plain(link.words)
    )
    return [head, *(line(Span(" " * (_LEVEL + 2) + plain(words), Tone.DIM)) for words in link.detail)]
