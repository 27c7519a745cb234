"""What a dialog asks is read and answered: nothing lies over it, and its fields say what they need."""

import pytest

from hypersdk.verbs.verb import Outcome
from tests.tui.builders import snapshot, vm
from tests.tui.screen import app_of, console, lines, text, until
from tests.tui.scripted import ScriptedSession
from tests.tui.test_navigation import node

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


async def test_snapshots_of_the_vm_are_offered_where_one_is_asked_for() -> None:
    kept = [snapshot("base", "web-1", hours=3), snapshot("pre", "web-1", hours=1)]
    others = [snapshot("half", "web-1", phase="Creating"), snapshot("foreign", "web-2")]
    session = ScriptedSession(objects=[vm("web-1"), *kept, *others])
    async with console(session) as pilot:
        await until(pilot, "web-1")
        await pilot.press("U")
        shown = await until(pilot, "up/down: pre, base")
        assert "half" not in shown
        assert "foreign" not in shown
        await pilot.press("down", "down")
        await until(pilot, "-snapshot base")
        await pilot.press("up")
        await until(pilot, "-snapshot pre")
        await pilot.press("ctrl+u", "b", "down")
        await until(pilot, "-snapshot base")
        session.put(snapshot("newest", "web-1", hours=0))
        await until(pilot, "up/down: newest, pre, base")
        await pilot.press("enter", *"web-1", "enter")
        await until(pilot, ": done")
        assert session.done == [("vm.restore", "web-1", {"snapshot": "base"})]


async def test_other_nodes_are_offered_where_a_vm_may_go_to() -> None:
    session = ScriptedSession(objects=[vm("web-1", nodeName="host-a"), node("host-a"), node("host-c"), node("host-b")])
    async with console(session) as pilot:
        await until(pilot, "web-1")
        await pilot.press("b")
        await until(pilot, "up/down: host-b, host-c")


async def test_vm_without_a_snapshot_is_told_so() -> None:
    async with console(three()) as pilot:
        await until(pilot, "web-2")
        await pilot.press("U")
        await until(pilot, "no snapshot of it is ready")
