"""The log on disk and the live stream are one history: nothing lost, nothing twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.gateway.seam import PROOF, fresh, is_settled, meeting, resumption, unseen

TEXT = st.binary(max_size=400)


@given(st.permutations(range(256)), st.data())
def test_log_and_stream_join_without_loss_or_repeat(order: list[int], data: st.DataObject) -> None:
    written = bytes(order)[: data.draw(st.integers(0, 256), "how much the guest writes")]
    began = data.draw(st.integers(0, len(written)), "where the stream begins")
    logged = data.draw(st.integers(began, len(written)), "how far the log goes")
    came = data.draw(st.integers(began, len(written)), "how far the stream goes")
    shown, repeated = unseen(written[:logged], written[began:came])
    rest, _ = fresh(written[max(came, began) :], repeated)
    assert shown + rest == (written if came > began else written[:logged] + written[began:])


@given(TEXT, TEXT)
def test_meeting_agrees_with_both(log: bytes, live: bytes) -> None:
    place = meeting(log, live)
    overlap = log[place:]
    assert live.startswith(overlap) or overlap.startswith(live)


@given(TEXT, st.integers(0, 400), TEXT)
def test_no_output_is_invented_or_reordered(written: bytes, cut: int, more: bytes) -> None:
    """Where the guest repeats itself, the join may be off by a repeat; but both parts are there, in order."""
    log, live = written, written[cut:] + more
    shown, repeated = unseen(log, live)
    assert shown.startswith(log)
    assert shown.endswith(live) or repeated


@given(TEXT)
def test_silent_stream_leaves_the_log_as_it_is(log: bytes) -> None:
    assert unseen(log, b"") == (log, b"")


def test_joining_needs_no_stream_when_nothing_can_repeat() -> None:
    assert is_settled(b"", b"")
    assert not is_settled(b"login: ", b"log")
    assert is_settled(b"login: ", b"login: root")


@given(st.integers(PROOF, 1000), st.integers(0, 200))
def test_history_goes_on_where_it_ended(seen: int, more: int) -> None:
    log = b"".join(b"%04x" % number for number in range(300))
    where = min(seen, len(log))
    for guess in (where, where + 3, None, -1, len(log) + 10):
        assert resumption(log, log[:where], guess) == where
    assert resumption(log[where:], b"something else", more) is None


@pytest.mark.parametrize(
    ("data", "repeated", "expected"),
    [
        pytest.param(b"abc", b"", (b"abc", b""), id="nothing repeats"),
        pytest.param(b"ab", b"abc", (b"", b"c"), id="all of it repeats"),
        pytest.param(b"abcd", b"abc", (b"d", b""), id="its beginning repeats"),
        pytest.param(b"xyz", b"abc", (b"xyz", b""), id="the stream says something else"),
    ],
)
def test_repeats_are_left_out(data: bytes, repeated: bytes, expected: tuple[bytes, bytes]) -> None:
    assert fresh(data, repeated) == expected


def test_a_guest_that_repeats_itself_cannot_stall_the_node() -> None:
    log = b"a" * (1 << 20)
    assert meeting(log, b"a" * 70000) == len(log) - 65536
