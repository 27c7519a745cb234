"""What is new of a guest's output: every byte of the log once, and the stream's where the log has stopped."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.gateway.follower import PATIENCE_S, SETTLE_S, Follower, Lead, LogStopped, beyond
from controller.gateway.serial_log import Piece, Place, SerialLog


class Pace:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def log_at(folder: Path, text: bytes = b"") -> tuple[Path, SerialLog, Place]:
    path = folder / "serial.log"
    path.write_bytes(text)
    log = SerialLog(str(path))
    end = log.end()
    assert end is not None
    return path, log, end


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 40)), max_size=40))
def test_lead_is_what_only_the_stream_has(turns: list[tuple[bool, int]]) -> None:
    lead, text, heard, written = Lead(0.0), bytes(range(256)) * 8, 0, 0
    for is_stream, count in turns:
        if is_stream:
            lead.hear(text[heard : heard + count], 0.0)
            heard += count
        else:
            lead.written(count, 0.0)
            written += count
    assert lead.output == text[written:heard]


def test_log_that_was_first_is_not_waited_for() -> None:
    lead = Lead(0.0)
    lead.written(5, 10.0)
    lead.hear(b"login", 10.001)
    assert not lead.is_settled(10.1)
    assert lead.is_settled(10.1 + SETTLE_S)
    assert not lead.is_unanswered(100.0)


@pytest.mark.parametrize("pause_s", [0.1, 5.0])
def test_log_that_never_gets_what_was_heard_has_stopped(pause_s: float) -> None:
    lead, began = Lead(0.0), 8.0
    for number in range(40):
        lead.hear(b"%d" % (number % 10), began + number * pause_s)
        if lead.is_unanswered(began + number * pause_s):
            break
    else:
        pytest.fail("the log is believed for ever")
    assert number * pause_s <= PATIENCE_S + pause_s
    assert lead.output == (b"0123456789" * 4)[: number + 1]


@pytest.mark.parametrize(
    ("heard", "new"),
    [(b"5678", b""), (b"345", b""), (b"89new", b"new"), (b"new", b"new"), (b"0123456789!", b"!")],
)
def test_old_bytes_of_an_opening_are_no_reason_to_doubt_the_log(heard: bytes, new: bytes) -> None:
    assert beyond(b"0123456789", heard, len(heard)) == new


def test_zeros_of_a_counter_are_not_taken_for_those_in_front_of_them() -> None:
    heard = b"".join(b"word %05d " % number for number in range(80))
    for written in range(len(heard)):
        assert beyond(heard[:written], heard, len(heard) - written) == heard[written:]


@given(st.integers(0, 500), st.integers(12, 300), st.integers(1, 300))
def test_old_bytes_in_front_of_a_counter_are_told_from_new_ones(old: int, written: int, new: int) -> None:
    text = b"".join(b"%05d " % number for number in range(400))
    began = 600
    log, heard = text[: began + written], text[began - old : began + written + new]
    assert beyond(log, heard, old + new) == text[began + written : began + written + new]


def test_bytes_that_the_stream_has_left_out_do_not_cost_those_after_them() -> None:
    assert beyond(b"0123456789", b"01279ABC", 3) == b"ABC"
    assert beyond(b"0123456789", b"0124589ABC", 5) == b"ABC"


async def test_what_the_log_gets_is_taken_once(tmp_path: Path) -> None:
    path, log, place = log_at(tmp_path, b"earlier")
    follower = Follower(log, place)
    taken: list[Piece] = []

    async def follow() -> None:
        while (piece := await follower.next()) is not None:
            taken.append(piece)

    following = asyncio.create_task(follow())
    for number in range(50):
        with path.open("ab") as file:
            file.write(b"%05d" % number)
        follower.hear(b"%05d" % number)
        await asyncio.sleep(0)
    follower.end()
    await following
    assert b"".join(piece.data for piece in taken) == b"".join(b"%05d" % number for number in range(50))
    assert taken[-1].place == log.end()


async def test_log_without_its_writer_is_given_up(tmp_path: Path) -> None:
    _, log, place = log_at(tmp_path)
    pace = Pace()
    follower = Follower(log, place, pace)
    follower.hear(b"only the port has this")
    pace.now += PATIENCE_S
    with pytest.raises(LogStopped) as stopped:
        await follower.next()
    assert stopped.value.output == b"only the port has this"


def test_place_in_a_file_that_is_gone_begins_anew(tmp_path: Path) -> None:
    path, log, place = log_at(tmp_path, b"first")
    path.write_bytes(b"new")
    assert log.after(place, 100) == Piece(b"new", Place(place.inode, 3), is_anew=True)
    assert log.after(Place(place.inode + 1, 2), 100) == Piece(b"new", Place(place.inode, 3), is_anew=True)


def test_log_that_cannot_be_read_has_nothing_new(tmp_path: Path) -> None:
    place = Place(1, 2)
    assert SerialLog(str(tmp_path / "missing.log")).after(place, 100) == Piece(b"", place)
