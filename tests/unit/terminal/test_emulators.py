"""What the emulator does with the sequences that guests really send, and with nonsense."""

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.terminal.choice import BACK_ENDS
from tui.terminal.emulator import CellStyle, Emulator
from tui.terminal.ghostty import ghostty
from tui.terminal.ghostty_emulator import GhosttyEmulator

Fed = Callable[..., Emulator]


@pytest.fixture(params=sorted(BACK_ENDS))
def fed(request: pytest.FixtureRequest) -> Fed:
    """An emulator of each back end that was given these bytes."""

    def make(*chunks: bytes, columns: int = 20, rows: int = 4) -> Emulator:
        emulator = BACK_ENDS[request.param](columns, rows)
        assert emulator is not None, f"{request.param} is not there"
        for chunk in chunks:
            emulator.feed(chunk)
        return emulator

    return make


def lines(emulator: Emulator) -> list[str]:
    return ["".join(text for text, _ in emulator.row(y)).rstrip() for y in range(emulator.rows)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"one\r\ntwo", ["one", "two", "", ""], id="plain text"),
        pytest.param(b"\x1b[?4mok", ["ok", "", "", ""], id="private SGR of vim does not raise"),
        pytest.param(b"\x1b[>4;2mok", ["ok", "", "", ""], id="modifyOtherKeys is no underline"),
        pytest.param(b"\x1b(0lqk\x1b(Bq", ["┌─┐q", "", "", ""], id="DEC line drawing in UTF-8"),
        pytest.param(b"\x1bPq#0;2\x1b\\ok", ["ok", "", "", ""], id="DCS is swallowed"),
        pytest.param(b"\x1b_Gi=1;AAAA\x1b\\ok", ["ok", "", "", ""], id="APC is swallowed"),
        pytest.param(b"\x1b]0;title\x07ok", ["ok", "", "", ""], id="OSC title is swallowed"),
        pytest.param(b"\x1b]52;c;aGk=\x1b\\ok", ["ok", "", "", ""], id="OSC 52 clipboard is swallowed"),
        pytest.param(b"a\x1b[3b", ["aaaa", "", "", ""], id="REP"),
        pytest.param(b"1\r\n2\r\n3\r\n4\x1b[2S", ["3", "4", "", ""], id="SU"),
        pytest.param(b"1\r\n2\x1b[1T", ["", "1", "2", ""], id="SD"),
        pytest.param(b"\x1b[!pok", ["ok", "", "", ""], id="DECSTR prints nothing"),
        pytest.param(b"\x1b[99999999999Iok", ["                   o", "k", "", ""], id="huge counts end"),
        pytest.param("数据x".encode(), ["数据x", "", "", ""], id="wide characters"),
        pytest.param("\u200bA\u200dB".encode(), ["AB", "", "", ""], id="zero width does not cut the text off"),
        pytest.param(b"main\x1b[?1049halt\x1b[?1049l!", ["main!", "", "", ""], id="alternate screen goes and comes"),
        pytest.param(b"abc\x1b[1;2H\x1b[1@X", ["aXbc", "", "", ""], id="insert characters"),
        pytest.param("safe\u202etxt".encode(), ["safetxt", "", "", ""], id="bidi overrides are dropped"),
        pytest.param(b"\x9b31mred", ["\ufffd31mred", "", "", ""], id="a lone C1 byte is no UTF-8"),
    ],
)
def test_screen_after(fed: Fed, data: bytes, expected: list[str]) -> None:
    assert lines(fed(data)) == expected


@pytest.mark.parametrize(
    ("data", "style"),
    [
        pytest.param(b"\x1b[31;1m", CellStyle(fg=1, bold=True), id="16 colours"),
        pytest.param(b"\x1b[95m", CellStyle(fg=13), id="bright"),
        pytest.param(b"\x1b[38;5;200m", CellStyle(fg=200), id="256 colours"),
        pytest.param(b"\x1b[48;2;1;2;3m", CellStyle(bg="#010203"), id="direct colour"),
        pytest.param(b"\x1b[38:2::1:2:3m", CellStyle(fg="#010203"), id="direct colour with colons"),
        pytest.param(b"\x1b[4:3m", CellStyle(underline=True), id="curly underline"),
        pytest.param(b"\x1b[31m\x1b[m", CellStyle(), id="reset"),
    ],
)
def test_style_of_what_follows(fed: Fed, data: bytes, style: CellStyle) -> None:
    text, seen = fed(data + b"x").row(0)[0]
    assert (text[0], seen) == ("x", style)


def test_sequences_and_characters_may_be_cut_anywhere(fed: Fed) -> None:
    data = "a\x1b[31mé数\x1b]0;t\x1b\\b\x1bP1\x1b\\c".encode()
    whole = fed(data).row(0)
    assert fed(*(bytes([byte]) for byte in data)).row(0) == whole


def test_lines_that_leave_the_screen_are_kept_and_can_be_scrolled_to(fed: Fed) -> None:
    emulator = fed(b"\r\n".join(b"%d" % n for n in range(10)))
    assert lines(emulator) == ["6", "7", "8", "9"]
    emulator.scroll(-2)
    assert lines(emulator) == ["4", "5", "6", "7"]
    emulator.feed(b"\r\n10")
    assert lines(emulator) == ["4", "5", "6", "7"]
    emulator.scroll(100)
    assert lines(emulator) == ["7", "8", "9", "10"]
    assert emulator.text() == [str(n) for n in range(11)]


def test_alternate_screen_leaves_no_history(fed: Fed) -> None:
    assert fed(b"\x1b[?1049h" + b"x\r\n" * 50 + b"\x1b[?1049l").text() == []


def test_cursor_report_and_attributes_are_answered_with_a_bound(fed: Fed) -> None:
    emulator = fed(b"ab\x1b[6n\x1b[c")
    assert emulator.take_replies() == b"\x1b[1;3R\x1b[?62;22c"
    emulator.feed(b"\x1b[6n" * 10_000)
    assert len(emulator.take_replies()) < 2048


def test_resize_keeps_the_text_and_the_cursor_in_view(fed: Fed) -> None:
    emulator = fed(b"1\r\n2\r\n3\r\n4")
    emulator.resize(10, 2)
    assert lines(emulator) == ["3", "4"]
    assert emulator.text() == ["1", "2", "3", "4"]
    emulator.resize(30, 5)
    emulator.feed(b"!")
    assert "4!" in lines(emulator)
    assert emulator.text() == ["1", "2", "3", "4!"]


def test_only_changed_rows_are_dirty(fed: Fed) -> None:
    emulator = fed(b"1\r\n2")
    emulator.take_dirty()
    emulator.feed(b"x")
    assert emulator.take_dirty() == {1}


_SEQUENCES = st.one_of(
    st.binary(max_size=20),
    st.text(max_size=10).map(str.encode),
    st.builds(
        lambda prefix, numbers, middle, final: f"\x1b[{prefix}{numbers}{middle}{final}".encode(),
        st.sampled_from(["", "?", ">", "<", "="]),
        st.from_regex(r"[0-9;:]{0,12}", fullmatch=True),
        st.sampled_from(["", " ", "!", "$", "'"]),
        st.characters(min_codepoint=0x40, max_codepoint=0x7E),
    ),
    st.builds(
        lambda middle, final: f"\x1b{middle}{final}".encode(),
        st.sampled_from(["", "#", "(", ")", "%"]),
        st.characters(min_codepoint=0x30, max_codepoint=0x7E),
    ),
    st.sampled_from(
        [b"\x1bP", b"\x1b]", b"\x1b\\", b"\x07", "数".encode(), "e\u0301".encode(), b"\r\n", b"\t", b"\x0e"]
    ),
)


@pytest.mark.parametrize("back_end", sorted(BACK_ENDS))
@given(steps=st.lists(st.one_of(_SEQUENCES, st.tuples(st.integers(-5, 200), st.integers(-5, 60))), max_size=30))
@settings(max_examples=150)
@pytest.mark.timeout(60)
def test_nothing_that_a_guest_sends_raises_or_breaks_a_row(back_end: str, steps: list[bytes | tuple[int, int]]) -> None:
    emulator = BACK_ENDS[back_end](20, 6)
    assert emulator is not None
    for step in steps:
        if isinstance(step, bytes):
            emulator.feed(step)
        else:
            emulator.resize(*step)
        emulator.scroll(-1)
        for y in range(emulator.rows):
            text = "".join(text for text, _ in emulator.row(y))
            assert cell_len(text) == emulator.columns, (y, text)
            assert all(c >= " " and not "\x7f" <= c <= "\x9f" for c in text), text
        cursor = emulator.cursor
        assert cursor is None or (0 <= cursor[0] < emulator.columns and 0 <= cursor[1] < emulator.rows)


_NUMBERS = [0, 1, 2, 7, 25, 80, 1049, 2004, 65535, 10**9]
_LETTERS = [*range(32, 127), 0xE9, 0x6570, 0x1F600, 0x200D, 0x202E, 9, 10, 13]


def _sequence(chance: random.Random) -> bytes:
    """One sequence by the grammar of ECMA-48, sensible or not, sometimes cut short."""
    numbers = ";".join(str(chance.choice(_NUMBERS)) for _ in range(chance.randrange(4)))
    prefix, middle = chance.choice(["", "?", ">", "<", "="]), chance.choice(["", " ", "!", "$"])
    end = chance.choice(["\x07", "\x1b\\", ""])
    made = chance.choice(
        [
            f"\x1b[{prefix}{numbers}{middle}{chr(chance.randrange(0x40, 0x7F))}",
            f"\x1b{chance.choice(['', '#', '(', ')', '%'])}{chr(chance.randrange(0x30, 0x7F))}",
            f"\x1b]{chance.choice([0, 4, 8, 52, 104, 1337])};{numbers}{end}",
            f"\x1bP{numbers}q{numbers}\x1b\\",
            "".join(chr(chance.choice(_LETTERS)) for _ in range(8)),
        ]
    ).encode()
    return made[: chance.randrange(1, len(made) + 1)] if chance.random() < 0.1 else made


@pytest.mark.timeout(60)
@pytest.mark.parametrize("back_end", sorted(BACK_ENDS))
def test_twenty_thousand_sequences_leave_a_whole_screen(back_end: str) -> None:
    chance, emulator = random.Random(20261123), BACK_ENDS[back_end](80, 24)
    assert emulator is not None
    for number in range(20_000):
        emulator.feed(_sequence(chance))
        if number % 500 == 0:
            rows = ["".join(text for text, _ in emulator.row(y)) for y in range(emulator.rows)]
            assert {cell_len(row) for row in rows} == {80}
            assert all(row.isprintable() for row in rows)
    emulator.take_replies()
    emulator.reset()
    emulator.feed(b"\x1b\\\x1b[2J\x1b[Hwell")
    assert lines(emulator)[0] == "well"


class Strict:
    """The library, which looks at how much of a text it is to read: beyond its end lies whatever memory holds."""

    def __init__(self, lib: object) -> None:
        self._lib = lib

    def __getattr__(self, name: str) -> object:
        """All else as it is."""
        return getattr(self._lib, name)

    def ghostty_terminal_vt_write(self, terminal: object, data: bytes, size: int) -> None:
        """Not a byte more."""
        assert size == len(data), data
        write: Callable[[object, bytes, int], None] = self.__getattr__("ghostty_terminal_vt_write")  # type: ignore[assignment]
        write(terminal, data, size)


def test_no_memory_beyond_a_text_is_shown() -> None:
    native = ghostty()
    assert native is not None
    emulator = GhosttyEmulator(replace(native, lib=Strict(native.lib)), 20, 4)
    emulator.feed(b"before")
    emulator.reset()
    emulator.feed(b"login: ")
    assert lines(emulator) == ["login:", "", "", ""]
