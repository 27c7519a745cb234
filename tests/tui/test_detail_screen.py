"""One VM's screen, as a person uses it."""

from time import process_time

from hypersdk.errors import Unreachable
from hypersdk.model.kinds import EVENTS, VIRTUAL_MACHINES
from tests.tui.builders import event, operation, vm
from tests.tui.fleet import figure, fleet
from tests.tui.screen import console, lines, text, until
from tests.tui.scripted import ScriptedSession

STATE = '{"type":"state","connected":true,"writable":%s,"writer":"ann","watchers":2,"reason":"%s"}'


def one() -> ScriptedSession:
    session = ScriptedSession(
        objects=[
            vm(
                "web-1",
                nodeName="node-1",
                addresses=[{"ip": "10.0.0.4", "source": "lease", "macAddress": "52:54:00:00:00:01"}],
                conditions=[{"type": "Ready", "status": "True", "reason": "Running"}],
            ),
            event("web-1", "Started", "the guest runs", minutes=9),
            event("other", "Started", "not about this VM"),
            operation("web-1", "restart", "Failed", minutes=3),
        ]
    )
    session.figures = [figure(second) for second in range(40)]
    return session


async def test_overview_says_what_is_wanted_and_what_is_there() -> None:
    async with console(one()) as pilot:
        await until(pilot, "web-1")
        await pilot.press("enter")
        shown = await until(pilot, "[overview]")
        assert "● Running" in shown
        assert "10.0.0.4 52:54:00:00:00:01 (from lease)" in shown
        assert "✓ Ready True  Running" in shown


async def test_overview_follows_the_vm() -> None:
    session = one()
    async with console(session) as pilot:
        await until(pilot, "web-1")
        await pilot.press("enter")
        await until(pilot, "node-1")
        session.put(vm("web-1", "Stopped", nodeName="node-9"))
        assert "○ Stopped" in await until(pilot, "node-9")


async def test_events_and_operations_are_one_time_line_newest_first() -> None:
    session = one()
    async with console(session) as pilot:
        await until(pilot, "web-1")
        await pilot.press("enter", "4")
        shown = await until(pilot, "restart Failed")
        assert shown.index("restart Failed") < shown.index("the guest runs")
        assert "not about this VM" not in shown
        session.cache(EVENTS).put([event("web-1", "AgentLost", "no answer", "Warning", 0)])
        shown = await until(pilot, "! AgentLost")
        assert shown.index("AgentLost") < shown.index("restart Failed")


async def test_metrics_draw_history_and_the_newest_values() -> None:
    async with console(one()) as pilot:
        await until(pilot, "web-1")
        await pilot.press("enter", "2")
        shown = await until(pilot, "of 2.0Gi")
        assert f"CPU {figure(39).cpu_percent:.0f}%" in shown
        assert "⣿" in shown


async def test_a_long_history_is_drawn_once() -> None:
    session = one()
    session.figures = [figure(second) for second in range(900)]
    async with console(session) as pilot:
        await until(pilot, "web-1")
        began = process_time()
        await pilot.press("enter", "2")
        await until(pilot, "of 100%")
        assert process_time() - began < 3.0  # each sample by itself would take 8


async def test_metrics_that_do_not_come_say_why() -> None:
    session = one()
    session.samples_refusal = Unreachable("the VM is not on any node")
    async with console(session, unicode=False) as pilot:
        await until(pilot, "web-1")
        await pilot.press("enter", "2")
        await until(pilot, "no live figures: the VM is not on any node")


async def test_each_vm_has_its_own_metrics() -> None:
    async with console(fleet()) as pilot:
        await until(pilot, "web-10")
        for _ in range(2):
            await pilot.press("down", "enter", "2")
            await until(pilot, "of 2.0Gi")
            await pilot.press("escape")
            await until(pilot, "NAME↑")


async def test_yaml_shows_the_object() -> None:
    async with console(one()) as pilot:
        await until(pilot, "web-1")
        await pilot.press("enter", "5")
        assert "nodeName: node-1" in await until(pilot, "apiVersion: hypersdk.io/v1alpha1") or "spec:" in text(pilot)
        await pilot.press("end")
        await until(pilot, "nodeName: node-1")


async def test_console_shows_the_guest_and_takes_keys() -> None:
    session = one()
    session.link.heard.put_nowait(STATE % ("true", ""))
    session.link.heard.put_nowait(b"login: ")
    async with console(session) as pilot:
        await until(pilot, "web-1")
        await pilot.press("x")
        shown = await until(pilot, "login:")
        assert "web-1 ttyS0 writing 2 attached" in lines(pilot)[-1]
        assert shown.startswith("login:")
        await pilot.press(*"root", "enter", "1", "q")
        await pilot.pause()
        assert bytes(session.link.typed) == b"root\r1q"


async def test_console_says_why_nothing_comes_and_who_writes() -> None:
    session = one()
    session.link.heard.put_nowait(STATE % ("false", "the VM is stopped"))
    async with console(session) as pilot:
        await until(pilot, "web-1")
        await pilot.press("x")
        shown = await until(pilot, "the VM is stopped")
        assert "watching, ann writes" in shown


async def test_console_is_left_by_keys_and_the_list_comes_back() -> None:
    async with console(one()) as pilot:
        await until(pilot, "web-1")
        await pilot.press("x")
        await until(pilot, "^] then")
        await pilot.press("ctrl+right_square_bracket", "escape")
        await until(pilot, "NAME↑")


async def test_lost_console_comes_back_by_itself() -> None:
    session = one()
    session.link.heard.put_nowait(b"before")
    async with console(session) as pilot:
        await until(pilot, "web-1")
        await pilot.press("x")
        await until(pilot, "before")
        session.link.heard.put_nowait(None)
        await until(pilot, "the far side closed")
        session.link.heard.put_nowait(STATE % ("true", ""))
        session.link.heard.put_nowait(b"after")
        assert "closed" not in await until(pilot, "after")


async def test_deleted_vm_stays_readable_and_takes_no_verbs() -> None:
    session = one()
    async with console(session) as pilot:
        await until(pilot, "web-1")
        await pilot.press("enter")
        await until(pilot, "node-1")
        session.cache(VIRTUAL_MACHINES).drop(("default", "web-1"))
        assert "node-1" in await until(pilot, "web-1 was deleted")
        await pilot.press("t")
        await until(pilot, "web-1 does not exist any more")


async def test_stale_detail_says_so_and_stays() -> None:
    session = one()
    async with console(session) as pilot:
        await until(pilot, "web-1")
        await pilot.press("enter")
        await until(pilot, "node-1")
        session.lose("no answer from https://x")
        assert "node-1" in await until(pilot, " s: no answer from https://x")


async def test_verbs_work_on_the_detail_too() -> None:
    session = one()
    async with console(session) as pilot:
        await until(pilot, "web-1")
        await pilot.press("enter")
        await until(pilot, "[overview]")
        await pilot.press("r", "y")
        await until(pilot, "Restart web-1: done")
        assert session.done == [("vm.restart", "web-1", {})]


async def test_tabs_go_round() -> None:
    async with console(one()) as pilot:
        await until(pilot, "web-1")
        await pilot.press("enter")
        await until(pilot, "[overview]")
        await pilot.press("left")
        await until(pilot, "[log]")
        await pilot.press("tab")
        await until(pilot, "[overview]")


async def test_hostile_guest_words_do_not_reach_the_terminal() -> None:
    session = ScriptedSession(
        objects=[
            vm(
                "web-1",
                guestAgent={"connected": True, "hostname": "x\x1b]0;owned\x07"},
                conditions=[{"type": "Ready", "status": "False", "message": "\x1b[2J[red]x"}],
            ),
            event("web-1", "Bad", "line\none\x1b[31m"),
        ]
    )
    async with console(session) as pilot:
        await until(pilot, "web-1")
        await pilot.press("enter")
        shown = await until(pilot, "[overview]")
        await pilot.press("4")
        shown += await until(pilot, "[events]")
        await pilot.press("5")
        shown += await until(pilot, "[yaml]")
        assert all(char.isprintable() or char == "\n" for char in shown)


async def test_disks_and_networks_are_a_page() -> None:
    async with console(fleet()) as pilot:
        await until(pilot, "api-1")
        await pilot.press("enter", "6")
        shown = await until(pilot, "Networks")
        assert "data 20Gi disk  standard" in shown
        assert "10.12.0.11" in shown


async def test_log_of_qemu_is_shown_harmless_and_can_be_searched() -> None:
    session = one()
    session.log_texts = ["starting up\n-name web-1\n", "\x1b[2Jqemu: terminating on signal 9\n"]
    async with console(session) as pilot:
        await until(pilot, "web-1")
        await pilot.press("enter", "7")
        shown = await until(pilot, "terminating on signal 9")
        assert "\x1b" not in shown
        await pilot.press("slash", *"NAME", "enter")
        await pilot.pause()
        await pilot.press("slash", *"nowhere", "enter")
        await until(pilot, "'nowhere' is not to be found")
