"""The line below a console: who types, who asks, what is wrong, and which keys lead out."""

from hypersdk.kube.streams import ConsoleState
from hypersdk.plaintext import plain
from tui.keymap import Keymap
from tui.tone import Line, Span, Tone


def console_line(
    name: str, device: str, problem: str, state: ConsoleState | None, keymap: Keymap, browsing: bool
) -> Line:
    """The line; `state` is what the node said last, None before it said anything."""
    spans = [Span(f" {plain(name)} ", Tone.STRONG), Span(f"{device} ", Tone.DIM)]
    ways = Span(_ways(keymap, browsing), Tone.DIM)
    if problem:
        # The way out stands first, for words on what is wrong may be long; who types is not known meanwhile.
        return (*spans, ways, Span(f"  {plain(problem)}", Tone.BAD))
    if state is not None:
        spans += _keyboard(state, keymap)
        if state.watchers > 1:
            spans.append(Span(f"{state.watchers} attached ", Tone.DIM))
        if state.reason:
            spans.append(Span(f"{plain(state.reason)} ", Tone.WARN))
    return (*spans, ways)


def _ways(keymap: Keymap, browsing: bool) -> str:
    search, leave, keys = (keymap.shown(id) for id in ("page.search", "console.leave", "app.help"))
    where = f" history: {keymap.shown('console.type')} type," if browsing else " ^] then"
    return f"{where} {search} search, {leave} leave, {keys} keys"


def _keyboard(state: ConsoleState, keymap: Keymap) -> list[Span]:
    """Who may type, and who wants to."""
    if state.asked:
        give, keep = keymap.shown("console.give"), keymap.shown("console.keep")
        words = (
            f"{plain(state.asker)} asks for the keyboard: ^] {give} gives, ^] {keep} keeps ({state.answer_within} s) "
        )
        return [Span(words, Tone.WARN)]
    if state.writable:
        return [Span("writing ", Tone.OK)]
    writer = plain(state.writer or "nobody")
    if state.refused:
        return [Span(f"watching, {writer} keeps the keyboard ", Tone.WARN)]
    if state.asker:
        return [Span(f"watching, {plain(state.asker)} has asked {writer} ", Tone.WARN)]
    return [Span(f"watching, {writer} writes (^] {keymap.shown('console.take')} asks) ", Tone.WARN)]
