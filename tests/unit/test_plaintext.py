"""Nothing that steers a terminal passes."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from hypersdk.plaintext import STEERING, plain, plain_lines


@given(st.text())
def test_no_character_that_steers_gets_through(text: str) -> None:
    assert all(unicodedata.category(char) not in STEERING for char in plain(text))


def test_ordinary_words_stay() -> None:
    assert plain("Zażółć gęślą jaźń 漢字 ok") == "Zażółć gęślą jaźń 漢字 ok"


def test_escape_sequences_lose_their_escape() -> None:
    assert "\x1b" not in plain("\x1b]52;c;aGk=\x07")


def test_lines_are_cut_before_they_are_cleaned() -> None:
    assert plain_lines("a\nb\tc\r\n") == ["a", "b c"]
