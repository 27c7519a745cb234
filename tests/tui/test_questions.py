"""What a dialog asks is read and answered: nothing lies over it, and its fields say what they need."""

import pytest

from hypersdk.verbs.verb import Outcome
from tests.tui.builders import vm
from tests.tui.screen import app_of, console, lines, text, until
from tests.tui.scripted import ScriptedSession

pytestmark = pytest.mark.timeout(40)


def three() -> ScriptedSession:
    return ScriptedSession(objects=[vm("web-1"), vm("web-2", "Stopped"), vm("db-1", "Failed")])


async def test_what_popped_up_never_lies_over_a_question_or_the_status_line() -> None:
    session = three()
    session.outcome = Outcome(True, "it runs")
    async with console(session) as pilot:
        await until(pilot, "web-2")
        await pilot.press("end", "s")
        await until(pilot, "▌ Start web-2: done")
        assert "1/3" not in lines(pilot)[-2]
        assert "▌" not in lines(pilot)[-2]
        await pilot.press("d")
        await until(pilot, "Type 'web-2' to confirm:")
        await until(pilot, "▌", gone=True)
        app_of(pilot).workspace.journal.end(app_of(pilot).workspace.journal.begin("Stop", "web-1", ""), False, "no")
        await until(pilot, "Stop web-1: failed - no")
        assert "▌" not in text(pilot)


async def test_fields_of_a_dialog_say_whether_they_may_be_left_out() -> None:
    async with console(three()) as pilot:
        await until(pilot, "web-2")
        await pilot.press("y")
        shown = await until(pilot, "(may be left out)")
        assert "(needed)" in shown
