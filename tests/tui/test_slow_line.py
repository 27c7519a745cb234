"""A terminal that is slow, or does not read at all, never holds the program up."""

import pytest

from tests.tui.busy import Busy
from tui.pacing import LOST_S, UNANSWERED_S, WINDOW, Pacer

ROUNDS = 60
"""At ten frames a second more than Textual's own queue and a pty can hold."""


@pytest.mark.timeout(120)
def test_program_goes_on_while_its_terminal_does_not_read() -> None:
    with Busy() as shown:
        first = int(shown.wait_for(r"round-(\d+)")[1])
        shown.rounds(first + ROUNDS, 60)
        unread = len(shown.received)
        # Whoever reads again sees the present, not the past.
        shown.wait_for(rf"round-(?!{first} )\d+")
        shown.press("q")
        assert shown.wait_end(30) == 0
        assert len(shown.received) - unread < 60_000


def test_frame_waits_only_when_much_is_on_the_way() -> None:
    pacer = Pacer(lambda: 100.0)
    pacer.sent(WINDOW - 1)
    assert pacer.wait_s() == 0
    pacer.sent(1)
    assert pacer.wait_s() > 0
    pacer.answered()
    assert pacer.wait_s() == 0


def test_frame_waits_long_for_an_answer_only_where_answers_come() -> None:
    now = 0.0
    pacer = Pacer(lambda: now)
    pacer.sent(WINDOW)
    assert pacer.wait_s() == UNANSWERED_S
    pacer.answered()
    pacer.sent(WINDOW)
    assert pacer.wait_s() == LOST_S
    now = LOST_S
    assert pacer.wait_s() == 0


def test_answer_to_nothing_is_no_credit() -> None:
    pacer = Pacer(lambda: 0.0)
    pacer.answered()
    pacer.sent(WINDOW)
    assert pacer.wait_s() > 0
