"""The log on disk and the live stream are one history: nothing lost, nothing twice."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.gateway.seam import EVIDENCE, PROOF, WINDOW, Repeats, meeting, resumption

TEXT = st.binary(max_size=400)
WRITTEN = random.Random(16).randbytes(16_000)
"""Output in which no few bytes come twice."""
UNIQUE = st.permutations(range(256)).map(bytes)
"""Output in which no byte comes twice."""


def _shown(log: bytes, sure: int, pieces: list[bytes]) -> bytes:
    """What a person sees of a log and the stream behind it."""
    repeats = Repeats(log, sure)
    return log + b"".join([repeats.feed(piece) for piece in pieces]) + repeats.settle()


def _cut(text: bytes, data: st.DataObject) -> list[bytes]:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6), "pieces"))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@given(UNIQUE, st.data())
def test_what_came_while_the_log_was_read_is_shown_once(written: bytes, data: st.DataObject) -> None:
    logged = data.draw(st.integers(0, 256), "how far the log goes")
    opened = data.draw(st.integers(0, logged), "where it ended when the port was opened")
    began = data.draw(st.integers(opened, logged), "where the stream begins")
    assert _shown(written[:logged], opened, _cut(written[began:], data)) == written


@given(st.data())
def test_what_a_pty_has_kept_is_shown_once(data: st.DataObject) -> None:
    logged = data.draw(st.integers(8, 8000), "how far the log goes")
    began = data.draw(st.integers(0, logged - 8), "where the stream begins")
    assert _shown(WRITTEN[:logged], logged, _cut(WRITTEN[began:], data)) == WRITTEN


@given(st.data())
def test_stream_that_leaves_something_out_is_shown_once(data: st.DataObject) -> None:
    opened = data.draw(st.integers(2000, 8000), "where the log ended when the port was opened")
    logged = data.draw(st.integers(opened + 40, opened + 500), "how far the log goes")
    kept = data.draw(st.integers(0, 1000), "where the kept bytes begin")
    left = data.draw(st.integers(kept + EVIDENCE, 1900), "where they end")
    live = data.draw(st.integers(opened, logged - 40), "where the stream goes on")
    assert _shown(WRITTEN[:logged], opened, [WRITTEN[kept:left], WRITTEN[live:]]) == WRITTEN


@given(TEXT, st.integers(0, 400), TEXT)
def test_meeting_agrees_with_both(log: bytes, sure: int, live: bytes) -> None:
    overlap = log[meeting(log, live, sure) :][:EVIDENCE]
    assert live.startswith(overlap) or overlap.startswith(live)


@given(TEXT, st.integers(0, 400), TEXT)
def test_only_what_the_log_has_is_left_out(log: bytes, sure: int, live: bytes) -> None:
    shown = _shown(log, sure, [live])
    assert shown.startswith(log)
    assert live.endswith(shown[len(log) :])


@pytest.mark.parametrize(
    ("log", "sure", "live", "expected"),
    [
        pytest.param(b"", 0, b"boot", b"boot", id="no log"),
        pytest.param(b"old\r\n", 5, b"new", b"old\r\nnew", id="nothing repeats"),
        pytest.param(b"x" * 40 + b"login: ", 40, b"login: root", b"x" * 40 + b"login: root", id="written meanwhile"),
        pytest.param(b"login: ", 7, b"login: root", b"login: root", id="a short gap comes again as a whole"),
        pytest.param(b"tick\r\n" * 50, 300, b"tick\r\n" * 60, b"tick\r\n" * 60, id="kept or new, nobody can tell"),
        pytest.param(b"x" * 40 + b"\r\n", 42, b"\r\n", b"x" * 40 + b"\r\n\r\n", id="too little to be a repeat"),
    ],
)
def test_joining(log: bytes, sure: int, live: bytes, expected: bytes) -> None:
    assert _shown(log, sure, [live]) == expected


def test_bytes_are_held_back_for_a_moment_only() -> None:
    repeats = Repeats(b"a long enough log of a guest that waits at its login: ", 54)
    assert repeats.feed(b"r") == b""
    assert repeats.settle() == b"r"
    assert not repeats.is_pending
    assert repeats.feed(b"oot") == b"oot"


def test_silent_stream_repeats_nothing_later() -> None:
    repeats = Repeats(b"login: ", 7)
    assert repeats.settle() == b""
    assert repeats.feed(b"login: ") == b"login: "


@given(st.integers(PROOF, 1000), st.integers(0, 200))
def test_history_goes_on_where_it_ended(seen: int, more: int) -> None:
    log = WRITTEN[:1200]
    for guess in (seen, seen + 3, None, -1, len(log) + 10):
        assert resumption(log, log[:seen], guess) == seen
    assert resumption(log[seen:], b"something else", more) is None


@pytest.mark.timeout(3)
@pytest.mark.parametrize("live", [b"a" * WINDOW, b"a" * 1000 + b"b", b"a" * 31 + b"b", b"ab" * 40])
def test_hostile_output_costs_little(live: bytes) -> None:
    repeats = Repeats(b"a" * (1 << 20), 0)
    repeats.feed(live)
    repeats.settle()
