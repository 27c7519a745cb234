"""The painter against Textual's own output: after any updates a terminal shows the same."""

from typing import cast

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from tui.painting import PLAIN, Painter

WIDTH, HEIGHT = 24, 5
pytestmark = pytest.mark.timeout(120)
STYLES = [None, Style.parse("red"), Style.parse("bold #ff8800 on #202020"), Style.parse("reverse")]
CONSOLE = Console(color_system="truecolor", force_terminal=True, width=WIDTH, height=HEIGHT, _environ={})

words = st.text(st.sampled_from("ab  ─漢é"), min_size=1, max_size=10)
segments = st.lists(st.tuples(words, st.sampled_from(STYLES)).map(lambda made: Segment(*made)), max_size=6)
rows = st.lists(segments, min_size=HEIGHT, max_size=HEIGHT)


def _line(made: list[Segment]) -> Strip:
    return Strip(made).adjust_cell_length(WIDTH)


def _layout(made: list[list[Segment]]) -> LayoutUpdate:
    return LayoutUpdate([[_line(one)] for one in made], Region(0, 0, WIDTH, HEIGHT))


def _chops(made: list[list[Segment]], spans: list[tuple[int, int, int]]) -> ChopsUpdate:
    """The spans of rows that changed as a whole, the way the compositor hands them over."""
    rows_of = [{0: _line(one)} for one in made]
    cut = sorted({(y, x1, max(x1 + 1, x2)) for y, x1, x2 in spans})
    return ChopsUpdate(rows_of, cut, [[WIDTH] for _ in made])


def _shown(updates: list[str]) -> list[list[tuple[str, str, str, bool, bool]]]:
    screen = pyte.Screen(WIDTH, HEIGHT)
    stream = pyte.Stream(screen)
    screen.reset_mode(pyte.modes.DECAWM)
    for update in updates:
        stream.feed(update)
    return [
        [(c.data, c.fg, c.bg, c.bold, c.reverse) for c in (screen.buffer[y][x] for x in range(WIDTH))]
        for y in range(HEIGHT)
    ]


def _full(made: list[list[Segment]]) -> str:
    return cast("CompositorUpdate", _layout(made)).render_segments(CONSOLE)


@settings(max_examples=60)
@given(st.lists(rows, min_size=1, max_size=5))
def test_full_paints_end_as_textual_would_have_it(screens: list[list[list[Segment]]]) -> None:
    painter, sent = Painter(ColorSystem.TRUECOLOR), []
    for made in screens:
        update = painter.tight(_layout(made))
        assert update is not None
        sent.append(update.render_segments(CONSOLE))
    assert _shown(sent) == _shown([_full(screens[-1])])


@settings(max_examples=60)
@given(rows, rows, st.integers(0, HEIGHT - 1))
def test_partial_paint_changes_its_rows_only(
    before: list[list[Segment]], after: list[list[Segment]], changed: int
) -> None:
    painter = Painter(ColorSystem.TRUECOLOR)
    mixed = [after[y] if y == changed else before[y] for y in range(HEIGHT)]
    first, second = painter.tight(_layout(before)), painter.tight(_chops(mixed, [(changed, 0, WIDTH)]))
    assert first is not None
    assert second is not None
    sent = [first.render_segments(CONSOLE), second.render_segments(CONSOLE)]
    assert _shown(sent) == _shown([_full(mixed)])


def test_nothing_new_is_not_sent() -> None:
    painter = Painter(ColorSystem.TRUECOLOR)
    made = [[Segment("same")]] * HEIGHT
    first, again = painter.tight(_layout(made)), painter.tight(_layout(made))
    assert first is not None
    assert again is not None
    assert first.render_segments(CONSOLE)
    assert not again.is_needed
    assert again.render_segments(CONSOLE) == ""


def test_one_cell_costs_its_cell() -> None:
    painter = Painter(ColorSystem.TRUECOLOR)
    made = [[Segment("CPU  12%")]] * HEIGHT
    first = painter.tight(_layout(made))
    assert first is not None
    first.render_segments(CONSOLE)
    second = painter.tight(_chops([[Segment("CPU  13%")]] * HEIGHT, [(1, 0, WIDTH)]))
    assert second is not None
    assert second.render_segments(CONSOLE) == "\x1b[2;7H\x1b[0m3\x1b[0m"


def test_forgotten_screen_is_sent_whole() -> None:
    painter = Painter(None)
    made = [[Segment("same")]] * HEIGHT
    for _ in range(2):
        update = painter.tight(_layout(made))
        assert update is not None
        assert "same" in update.render_segments(CONSOLE)
        painter.forget()


def test_poor_terminal_gets_ascii_in_the_place_of_drawings() -> None:
    painter = Painter(None, unicode=False)
    update = painter.tight(_layout([[Segment("╭─╮│…▌▀⣿🔎 é")]] * HEIGHT))
    assert update is not None
    assert "+-+|.|#*/  é" in update.render_segments(CONSOLE)


def test_every_drawing_keeps_its_width() -> None:
    assert all(cell_len(chr(char)) == len(instead) for char, instead in PLAIN.items())
