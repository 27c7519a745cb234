"""Long lines wrap and lose nothing; a pane says how many lines are below it."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.app import App, ComposeResult

from tui.tone import Line, Span, Tone, line
from tui.widgets.lines import Lines, wrap

spans = st.lists(st.builds(Span, st.text(st.sampled_from("ab 漢-"), max_size=40), st.sampled_from(Tone)), max_size=5)


def _text(pieces: list[Line]) -> str:
    return "".join(span.text for piece in pieces for span in piece)


@given(spans, st.integers(10, 60))
def test_no_piece_is_wider_than_the_pane_and_no_letter_is_lost(made: list[Span], width: int) -> None:
    pieces = wrap(tuple(made), width)
    assert all(sum(cell_len(span.text) for span in piece) <= width for piece in pieces)
    assert _text(pieces).replace(" ", "") == "".join(span.text for span in made).replace(" ", "")


class Pane(App[None]):
    """A pane of five lines, of which three are in view."""

    CSS = "Lines { height: 3; width: 13; }"

    def compose(self) -> ComposeResult:
        yield Lines()

    def on_mount(self) -> None:
        self.query_one(Lines).show([line(words) for words in ("one", "two", "three is 漢漢", "four", "five")])


async def test_lines_below_the_pane_are_counted_on_its_last_one() -> None:
    async with Pane().run_test() as pilot:
        pane = pilot.app.query_one(Lines)
        assert [pane.paint(y).text.rstrip() for y in range(3)] == ["one", "two", "three is   +2"]
        pane.action_jump(-1)
        assert [pane.paint(y).text.rstrip() for y in range(3)] == ["three is 漢漢", "four", "five"]


def test_words_stay_whole_and_later_pieces_are_indented() -> None:
    pieces = wrap(line("the guest did not shut down"), 14)
    assert ["".join(span.text for span in piece) for piece in pieces] == ["the guest did ", "    not shut ", "    down"]
