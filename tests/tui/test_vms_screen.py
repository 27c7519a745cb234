"""The VM list, as a person uses it."""

import asyncio

import pytest

from hypersdk.errors import ConfigError, Invalid, Unreachable
from hypersdk.model.kinds import VIRTUAL_MACHINES, VM_OPERATIONS
from hypersdk.verbs.verb import Outcome
from tests.tui.builders import operation, vm
from tests.tui.screen import app_of, console, lines, started, text, until
from tests.tui.scripted import ScriptedSession
from tui.options import Options
from tui.screens.base import ConsoleScreen
from tui.session import Session

pytestmark = pytest.mark.timeout(40)
"""A dozen keys, each waited for, take that long where many other programs run."""

STALE = "no answer from https://127.0.0.1:6443: Connection refused"


def three() -> ScriptedSession:
    return ScriptedSession(objects=[vm("web-1"), vm("web-2", "Stopped"), vm("db-1", "Failed")])


async def test_list_shows_what_the_api_knows() -> None:
    async with console(three()) as pilot:
        shown = await until(pilot, "web-2")
        assert "3 VMs, 1 running, 1 failed" in shown
        assert [line.split()[0] for line in shown.split("\n")[3:5]] == ["web-1", "web-2"]


async def test_list_follows_changes_and_the_cursor_stays_with_its_vm() -> None:
    session = three()
    async with console(session) as pilot:
        await until(pilot, "web-2")
        await pilot.press("end")
        assert "▶ web-2" in text(pilot)
        session.put(vm("a-first"), vm("web-2", "Running"))
        shown = await until(pilot, "a-first")
        assert "▶ web-2" in shown
        assert "4 VMs, 3 running" in shown


async def test_operation_in_progress_shows_in_its_row() -> None:
    session = three()
    async with console(session) as pilot:
        await until(pilot, "web-2")
        session.cache(VM_OPERATIONS).put([operation("web-2", "start", progress=40)])
        await until(pilot, "start 40%")
        session.cache(VM_OPERATIONS).put([operation("web-2", "start", "Succeeded")])
        await until(pilot, "start 40%", gone=True)


async def test_loading_empty_and_error_are_said() -> None:
    session = ScriptedSession(answers=False)
    async with console(session) as pilot:
        await until(pilot, "Loading the VMs of default")
        session.lose(STALE)
        assert STALE in await until(pilot, "cannot be listed")
        session.find()
        assert "c creates one" in await until(pilot, "There are no VMs in default")


async def test_lost_connection_is_a_banner_with_its_age_and_the_list_stays() -> None:
    session = three()
    async with console(session) as pilot:
        await until(pilot, "web-2")
        session.lose(STALE)
        shown = await until(pilot, "✗ stale")
        assert "web-1" in shown
        age = int(shown.split("✗ stale ")[1].split()[0])
        await until(pilot, f"✗ stale {age + 1} s")
        session.find()
        await until(pilot, "stale", gone=True)


async def test_verbs_are_refused_while_the_list_is_stale() -> None:
    session = three()
    async with console(session) as pilot:
        await until(pilot, "web-2")
        session.lose(STALE)
        await until(pilot, "✗ stale")
        await pilot.press("end", "s")
        await until(pilot, "Start refused: stale")
        assert session.done == []


async def test_missing_kubeconfig_is_said_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.app.AGAIN_S", 0.05)
    answers: list[Session | Exception] = [ConfigError("no usable kubeconfig at /x"), ScriptedSession()]
    said = asyncio.Event()

    async def connect(context: str) -> Session:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        await said.wait()
        return answer

    async with started(connect) as pilot:
        await until(pilot, "no usable kubeconfig at /x")
        said.set()
        await until(pilot, "There are no VMs in default")


async def test_start_needs_no_question() -> None:
    session = three()
    async with console(session) as pilot:
        await until(pilot, "web-2")
        await pilot.press("end", "s")
        await until(pilot, "Start web-2: done")
        assert session.done == [("vm.start", "web-2", {})]


async def test_verb_that_makes_no_sense_says_why() -> None:
    session = three()
    async with console(session) as pilot:
        await until(pilot, "web-2")
        await pilot.press("end", "t")
        await until(pilot, "Stop refused: web-2 is Stopped")
        assert session.done == []


async def test_stop_asks_and_shows_its_command() -> None:
    session = three()
    async with console(session) as pilot:
        await until(pilot, "web-2")
        await pilot.press("down", "t")
        await until(pilot, "$ hyperctl k8s vm stop web-1 -n default")
        await pilot.press("n")
        await until(pilot, "Stop web-1?", gone=True)
        assert session.done == []
        await pilot.press("t", "f")
        await until(pilot, "-n default --force")
        await pilot.press("y")
        await until(pilot, "Stop web-1: done")
        assert session.done == [("vm.stop", "web-1", {"force": True})]


async def test_resize_asks_for_the_size_and_shows_its_command() -> None:
    session = three()
    async with console(session) as pilot:
        await until(pilot, "web-2")
        await pilot.press("down", "R")
        await until(pilot, "Resize web-1?")
        await pilot.press("8", "tab", *"16Gi", "tab", "space")
        await until(pilot, "-cpus 8 -memory 16Gi")
        await until(pilot, "--hotplug   ")
        await pilot.press("shift+tab", "enter")
        await until(pilot, "Resize web-1: done")
        assert session.done == [("vm.resize", "web-1", {"cpus": 8, "memory": "16Gi", "hotplug": True})]


async def test_delete_takes_the_typed_name() -> None:
    session = three()
    async with console(session) as pilot:
        await until(pilot, "web-2")
        await pilot.press("d")
        await until(pilot, "Type 'db-1' to confirm")
        await pilot.press(*"web", "enter")
        await until(pilot, "that was not db-1")
        assert session.done == []
        await pilot.press(*"db-1", "enter")
        await until(pilot, "Delete db-1: done")
        assert session.done == [("vm.delete", "db-1", {})]


async def test_marked_vms_are_asked_for_together_and_the_unfit_left_out() -> None:
    session = three()
    async with console(session) as pilot:
        await until(pilot, "web-2")
        await pilot.press("space", "space", "space")
        await until(pilot, "3 marked")
        await pilot.press("s")
        shown = await until(pilot, "Start 2 VMs?")
        assert "left out: web-1 is Running" in shown
        await pilot.press("y")
        await until(pilot, "Start web-2: done")
        assert [name for _, name, _ in session.done] == ["db-1", "web-2"]
        await pilot.press("escape")
        await until(pilot, "marked", gone=True)


async def test_bulk_delete_takes_the_typed_count() -> None:
    session = three()
    async with console(session) as pilot:
        await until(pilot, "web-2")
        await pilot.press("space", "space", "d")
        await until(pilot, "Type '2 VMs' to confirm")
        await pilot.press(*"2 VMs", "enter")
        await until(pilot, "Delete web-1: done")
        assert len(session.done) == 2


async def test_failure_stays_readable_in_the_operations_log() -> None:
    session = three()
    session.outcome = Outcome(False, "the guest did not shut down within 120 s")
    async with console(session, (120, 40)) as pilot:
        await until(pilot, "web-2")
        await pilot.press("down", "r", "y")
        await until(pilot, "Restart web-1: failed")
        await pilot.press("o")
        shown = await until(pilot, "Operations of this console")
        assert "did not shut down within 120 s" in shown
        assert "$ hyperctl k8s vm restart web-1 -n default" in shown


async def test_refusal_of_the_api_is_told() -> None:
    session = three()
    session.refusal = Unreachable("no answer from https://127.0.0.1:6443")
    async with console(session) as pilot:
        await until(pilot, "web-2")
        await pilot.press("end", "s")
        await until(pilot, "Start web-2: failed - no answer from")


async def test_filter_works_as_it_is_typed() -> None:
    async with console(three()) as pilot:
        await until(pilot, "web-2")
        await pilot.press("slash", *"status:run")
        await until(pilot, "db-1", gone=True)
        await until(pilot, "web-1")
        await pilot.press(*"nothing")
        assert "3 VMs hidden by it" in await until(pilot, "No VM matches")
        await pilot.press("enter", "escape")
        assert "db-1" in await until(pilot, "1/3")


async def test_sort_by_a_column_and_back_around() -> None:
    session = ScriptedSession(
        objects=[vm(name, resources={"cpu": {"usage": f"{cpu}%"}}) for name, cpu in (("a", 5), ("b", 90), ("c", 40))]
    )
    async with console(session) as pilot:
        await until(pilot, "1/3")
        await pilot.press("C")
        await until(pilot, "CPU%↑")
        assert [line[2] for line in lines(pilot)[2:5]] == ["a", "c", "b"]
        await pilot.press("C")
        await until(pilot, "CPU%↓")
        assert [line[2] for line in lines(pilot)[2:5]] == ["b", "c", "a"]


async def test_click_on_a_title_sorts_and_on_a_row_selects() -> None:
    async with console(three()) as pilot:
        await until(pilot, "web-2")
        await pilot.click(offset=(25, 1))
        await until(pilot, "STATUS↑")
        await pilot.click(offset=(4, 4))
        assert lines(pilot)[4].startswith("▶")


async def test_namespace_switch_shows_another_list() -> None:
    session = ScriptedSession(objects=[vm("web-1"), vm("shop-1", namespace="prod")])
    async with console(session) as pilot:
        await until(pilot, "web-1")
        await pilot.press("n")
        await until(pilot, "staging")
        await pilot.press("down", "enter")
        assert "web-1" not in await until(pilot, "shop-1")
        await pilot.press("n", "home", "enter")
        await until(pilot, "all namespaces")
        assert "NAMESPACE" in await until(pilot, "web-1")


async def test_namespaces_that_come_late_are_shown_from_the_first_on() -> None:
    session = three()
    session.places = ["a-first", "b-second", "default", *(f"t-{count:02}" for count in range(60))]
    session.places_known = asyncio.Event()
    async with console(session) as pilot:
        await until(pilot, "web-2")
        await pilot.press("n")
        await until(pilot, "all namespaces")
        session.places_known.set()
        await until(pilot, "t-05")
        assert "all namespaces" in await until(pilot, "a-first")


async def test_namespace_that_was_gone_to_stays_under_the_cursor_when_the_others_come() -> None:
    session = three()
    session.places_known = asyncio.Event()
    async with console(session) as pilot:
        await until(pilot, "web-2")
        await pilot.press("n")
        await until(pilot, "all namespaces")
        await pilot.press("home")
        session.places_known.set()
        await until(pilot, "staging")
        await pilot.press("enter")
        await until(pilot, "all namespaces @")


async def test_namespace_far_down_is_shown_where_it_is() -> None:
    session = three()
    session.places = [*(f"a-{count:02}" for count in range(60)), "default", "prod"]
    async with console(session) as pilot:
        await until(pilot, "web-2")
        await pilot.press("n")
        await until(pilot, "a-59")
        await pilot.press("down", "enter")
        await until(pilot, "prod @")


async def test_read_only_leaves_the_verbs_out() -> None:
    session = three()
    async with console(session, options=Options(read_only=True)) as pilot:
        shown = await until(pilot, "web-2")
        assert "read-only" in shown
        assert "Start" not in shown
        await pilot.press("s", "d", "c")
        await pilot.pause()
        assert session.done == []
        assert type(pilot.app.screen).__name__ == "VmsScreen"


async def test_help_is_drawn_from_the_keymap() -> None:
    async with console(three(), (100, 60), options=Options(keymap="vim")) as pilot:
        await until(pilot, "web-2")
        await pilot.press("question_mark")
        shown = await until(pilot, "Keys of the keymap 'vim'")
        assert "D               Delete" in shown
        await pilot.press("escape")
        await until(pilot, "Keys of", gone=True)


async def test_palette_runs_the_same_verbs() -> None:
    session = three()
    async with console(session) as pilot:
        await until(pilot, "web-2")
        await pilot.press("end", "ctrl+p")
        await until(pilot, "Start: power on")
        await pilot.press(*"power on")
        await until(pilot, "Stop: shut", gone=True)
        await pilot.press("enter")
        await until(pilot, "Start web-2: done")


async def test_words_of_the_api_are_never_markup() -> None:
    session = three()
    session.refusal = Invalid("[bold]no[/bold] [/]", 422, "Invalid")
    async with console(session) as pilot:
        await until(pilot, "web-2")
        await pilot.press("end", "s")
        await until(pilot, "failed - [bold]no[/bold] [/]")


@pytest.mark.parametrize("size", [(20, 5), (8, 2), (80, 24), (200, 60)])
async def test_any_size_holds(size: tuple[int, int]) -> None:
    async with console(three()) as pilot:
        await until(pilot, "web-2")
        await pilot.resize_terminal(*size)
        await pilot.press("t")
        await pilot.pause()
        await pilot.press("escape", "enter", "2", "escape")
        await pilot.resize_terminal(80, 24)
        assert "▶ db-1" in await until(pilot, "web-2")


async def test_ascii_terminal_gets_ascii_only() -> None:
    async with console(three(), unicode=False, theme="ansi") as pilot:
        shown = await until(pilot, "web-2")
        assert shown.isascii()
        assert "+ Running" in shown


async def test_covered_list_catches_up_when_it_is_seen_again() -> None:
    session = three()
    async with console(session) as pilot:
        await until(pilot, "web-2")
        await pilot.press("enter")
        await until(pilot, "[overview]")
        session.cache(VIRTUAL_MACHINES).drop(("default", "web-2"))
        session.put(vm("zz-new"))
        await pilot.press("escape")
        assert "web-2" not in await until(pilot, "zz-new")


async def test_screen_that_was_left_shows_nothing_more() -> None:
    async with console(three()) as pilot:
        await until(pilot, "web-2")
        await pilot.press("enter")
        await until(pilot, "[overview]")
        left = pilot.app.screen
        assert isinstance(left, ConsoleScreen)
        await pilot.press("escape")
        await until(pilot, "web-2")
        assert left.is_covered  # its timers may come once more


async def test_hardware_cursor_follows_the_selection() -> None:
    async with console(three()) as pilot:
        await until(pilot, "web-2")
        await pilot.press("down")
        assert tuple(app_of(pilot).cursor_position) == (2, 3)


async def test_command_of_a_question_can_be_copied() -> None:
    async with console(three()) as pilot:
        await until(pilot, "web-2")
        await pilot.press("down", "t", "f", "ctrl+y")
        await until(pilot, "copied: hyperctl k8s vm stop web-1 -n default --force")
        assert pilot.app.clipboard == "hyperctl k8s vm stop web-1 -n default --force"


async def test_command_that_was_done_last_can_be_copied() -> None:
    async with console(three()) as pilot:
        await until(pilot, "web-2")
        await pilot.press("end", "s")
        await until(pilot, "Start web-2: done")
        await pilot.press("o", "ctrl+y")
        await until(pilot, "copied:")
        assert pilot.app.clipboard == "hyperctl k8s vm start web-2 -n default"
