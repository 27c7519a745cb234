"""Long lines wrap and lose nothing."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.tone import Line, Span, Tone, line
from tui.widgets.lines import wrap

spans = st.lists(st.builds(Span, st.text(st.sampled_from("ab 漢-"), max_size=40), st.sampled_from(Tone)), max_size=5)


def _text(pieces: list[Line]) -> str:
    return "".join(span.text for piece in pieces for span in piece)


@given(spans, st.integers(10, 60))
def test_no_piece_is_wider_than_the_pane_and_no_letter_is_lost(made: list[Span], width: int) -> None:
    pieces = wrap(tuple(made), width)
    assert all(sum(cell_len(span.text) for span in piece) <= width for piece in pieces)
    assert _text(pieces).replace(" ", "") == "".join(span.text for span in made).replace(" ", "")


def test_words_stay_whole_and_later_pieces_are_indented() -> None:
    pieces = wrap(line("the guest did not shut down"), 14)
    assert ["".join(span.text for span in piece) for piece in pieces] == ["the guest did ", "    not shut ", "    down"]
