"""The real program in a real terminal: what is shown, what it costs, and how it ends."""

import os
import sys

import pytest

from tests.terminal import Terminal

PROGRAM = [sys.executable, "-m", "tests.tui.program"]
pytestmark = pytest.mark.timeout(60)


def terminal(columns: int, rows: int, *flags: str, term: str = "xterm-256color", **environ: str) -> Terminal:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    base = {"TERM": term, "LANG": "C.UTF-8", "HYPERSDK_STATE": "/nonexistent", "XDG_STATE_HOME": "/nonexistent"}
    return Terminal([*PROGRAM, *flags], kept | base | environ, columns, rows)


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


def test_no_color_means_no_colour_at_all() -> None:
    with terminal(80, 24, NO_COLOR="1") as shown:
        shown.until("worker-1")
        assert not any(f"\x1b[0;{code}".encode() in shown.received for code in range(30, 38))
        assert not any(f";{code}m".encode() in shown.received for code in range(30, 38))


def test_linux_console_gets_ascii() -> None:
    with terminal(80, 24, term="linux") as shown:
        shown.until("+ Running")
        assert shown.text().isascii()


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
