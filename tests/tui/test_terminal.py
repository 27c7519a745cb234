"""The real program in a real terminal: what is shown, what it costs, and how it ends."""

import os
import re
import signal
import sys

import pytest

from tests.terminal import Terminal

PROGRAM = [sys.executable, "-m", "tests.tui.program"]
pytestmark = pytest.mark.timeout(60)


def terminal(columns: int, rows: int, *flags: str, term: str = "xterm-256color", **environ: str) -> Terminal:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    base = {"TERM": term, "LANG": "C.UTF-8", "HYPERSDK_STATE": "/nonexistent", "XDG_STATE_HOME": "/nonexistent"}
    return Terminal([*PROGRAM, *flags], kept | base | environ, columns, rows)


COLOUR = re.compile(rb"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;[0-9;]*)?m")
"""A sequence that sets a colour of any depth (ECMA-48, SGR)."""

WALK = (
    (["t"], "Stop api-1?"),
    (["n", "V"], "Columns"),
    (["escape", "?"], "Keys of"),
    (["escape", "\x1bOR"], "node-3"),
    (["\x1bOQ", "enter"], "[overview]"),
    (["2"], "of 100%"),
    (["4"], "[events]"),
    (["escape", "w"], "Why: api-1"),
    (["escape", "\x10"], "open the VM under"),
)
"""Keys, and what the screen says then."""


def test_changes_cost_few_bytes() -> None:
    with terminal(120, 40, COLORTERM="truecolor") as shown:
        shown.until("worker-1")
        shown.quiet()
        assert shown.cost("j") <= 300
        assert shown.cost("j") <= 300
        assert "▶ build-7" in shown.text()
        assert shown.quiet() == 0


def test_first_paint_is_small() -> None:
    with terminal(80, 24, COLORTERM="truecolor") as shown:
        shown.until("worker-1")
        shown.quiet()
        assert len(shown.received) <= 20_000


def test_terminal_shows_the_screens_after_dialogs_tabs_and_resizes() -> None:
    with terminal(80, 24) as shown:
        shown.until("worker-1")
        shown.press("t")
        shown.until("Stop api-1?")
        shown.press("n", "enter")
        shown.until("[overview]")
        shown.press("2")
        shown.until("of 100%")
        shown.resize(20, 5)
        shown.quiet()
        shown.resize(100, 30)
        shown.until("Command")
        shown.press("q" if "NAME" in shown.text() else "\x1b")
        shown.until("worker-1")
        rows = [line.split()[:1] for line in shown.text().split("\n")[2:17]]
        assert rows == [["▶"], *([name] for name in (
            "api-2", "build-7", "cache-1", "db-1", "db-2", "edge-1", "legacy-nt", "mail-1", "monitor", "scratch",
            "web-1", "web-2", "web-10", "worker-1",
        ))]  # fmt: skip
        assert shown.text().count("Quit") == 1
        assert "Stop api-1?" not in shown.text()


def test_quitting_leaves_a_clean_terminal() -> None:
    with terminal(80, 24) as shown:
        shown.until("worker-1")
        shown.press("q")
        assert shown.wait_end() == 0
        assert b"\x1b[?1049l" in shown.received


@pytest.mark.parametrize(
    ("term", "environ"),
    [
        pytest.param("xterm-256color", {"NO_COLOR": "1", "COLORTERM": "truecolor"}, id="NO_COLOR"),
        pytest.param("linux", {}, id="Linux console"),
        pytest.param("xterm", {}, id="16 colours"),
        pytest.param("screen", {}, id="screen"),
    ],
)
def test_poor_terminals_get_no_more_than_16_colours(term: str, environ: dict[str, str]) -> None:
    with terminal(80, 24, term=term, **environ) as shown:
        shown.until("worker-1")
        shown.press("t")
        shown.until("Stop api-1?")
        assert b"38;2;" not in shown.received
        assert b"48;2;" not in shown.received
        assert b"38;5;" not in shown.received


@pytest.mark.parametrize("term", ["xterm-256color", "linux", "screen", "xterm"])
def test_no_color_means_no_colour_at_all(term: str) -> None:
    with terminal(80, 24, term=term, NO_COLOR="1", COLORTERM="truecolor") as shown:
        shown.until("worker-1")
        shown.press("t")
        shown.until("Stop api-1?")
        shown.press("n", "enter")
        shown.until("[overview]")
        shown.press("2")
        shown.until("of 100%")
        assert COLOUR.findall(bytes(shown.received)) == []


def test_linux_console_gets_ascii_on_every_screen() -> None:
    with terminal(80, 24, term="linux") as shown:
        shown.until("+ Running")
        for keys, words in WALK:
            for key in keys:
                shown.cost(key)
            shown.until(words)
            assert bytes(shown.received).isascii(), shown.text()


def test_bulk_stop_tells_the_plan_before_and_a_result_for_each_after() -> None:
    with terminal(80, 24) as shown:
        shown.until("worker-1")
        shown.press("/", "web", "enter")
        shown.until("1/3")
        shown.press("*")
        shown.until("3 marked")
        shown.press("t")
        shown.until("Stop 3 VMs?")
        for name in ("web-1", "web-2", "web-10"):
            shown.until(f"prod/{name}")
        shown.press("y")
        shown.wait_gone(r"Stop 3 VMs\?")
        shown.press("o")
        shown.until("Operations of this console")
        for name in ("web-1", "web-2", "web-10"):
            shown.until(f"Stop {name}: done")
            shown.until(f"$ hyperctl k8s vm stop {name} -n prod")


def test_console_is_opened_typed_into_and_left() -> None:
    with terminal(80, 24) as shown:
        shown.until("worker-1")
        shown.press("x")
        shown.until("load average")
        shown.press("echo q?d", "enter")
        shown.until("root@web-10:~# echo q?d")
        # Every key was the guest's: none quit, helped or deleted.
        shown.press("\x1b[200~pasted words\x1b[201~")
        shown.wait_for(r"(?m)^pasted words")
        shown.press("ctrl+]")
        shown.until("history: enter type")
        shown.cost("escape")
        shown.press("escape")
        shown.until("worker-1")


def test_api_goes_away_and_comes_back() -> None:
    with terminal(80, 24) as shown:
        shown.until("worker-1")
        os.kill(shown.pid, signal.SIGUSR1)
        shown.wait_for(r"stale [1-9]\d* s: cannot reach")
        shown.press("t")
        shown.until("Stop refused: stale")
        shown.press("down")
        shown.until("▶ api-2")
        os.kill(shown.pid, signal.SIGUSR2)
        shown.wait_gone("cannot reach https")
        shown.wait_gone("Stop refused")
        shown.press("t")
        shown.until("Stop api-2?")


def test_small_window_and_back() -> None:
    with terminal(80, 24) as shown:
        shown.until("worker-1")
        shown.resize(20, 5)
        shown.wait_for("api-1")
        shown.press("down")
        shown.until("▶ api-2")
        shown.resize(80, 24)
        shown.until("worker-1")
        shown.until("▶ api-2")


@pytest.mark.parametrize("term", ["dumb", ""])
def test_dumb_terminal_is_refused_with_a_word(term: str) -> None:
    with terminal(80, 24, term=term) as shown:
        shown.until("hyperctl")
        assert shown.wait_end() == 2


def test_missing_context_is_told_on_the_screen() -> None:
    with terminal(80, 24, "--context", "missing") as shown:
        shown.until("there is no context 'missing'")


def test_wrong_theme_and_keymap_are_noticed_and_the_defaults_used() -> None:
    with terminal(120, 40, "--theme", "nope", "--keymap", "nope") as shown:
        shown.until("there is no nope.toml")
        shown.until("worker-1")
        shown.cost("j")
        assert "▶ api-2" in shown.text()
