"""The command line, and what the start decides."""

import subprocess
import sys
from pathlib import Path

import pytest

from tui.main import parsed, refusal, shows_unicode

HEAVY = (
    "kubernetes_asyncio", "aiohttp", "pydantic", "yaml", "hypersdk.model.base", "hypersdk.kube.client",
    "hypersdk.verbs.operation",
    "tui.feed", "tui.session", "tui.terminal", "tui.screens.confirm", "tui.screens.detail", "tui.screens.listings",
)  # fmt: skip
FIRST_PAINT = """
import pathlib, sys
from tui import main
from tui.app import HypersdkApp
from tui.options import Options
from tui.preferences import with_preferences
from tui.theme import choose_theme

async def look(app):
    app.exit("".join(strip.text for strip in app.screen._compositor.render_strips(app.size)))

HypersdkApp._begin = look
options, _ = with_preferences(Options(config=pathlib.Path(sys.argv[1])))
shown = HypersdkApp(options, None, choose_theme("", options.theme_folders, False)[0]).run(headless=True, size=(80, 24))
print([words for words in ("HyperSDK", "Connecting", "Console", "Quit") if words not in shown])
print([name for name in sys.argv[2:] if name in sys.modules])
"""


def test_flags_are_read() -> None:
    options = parsed(["-n", "prod", "--context", "c", "--read-only", "--keymap", "vim", "--no-mouse"], {"HOME": "/h"})
    assert (options.namespace, options.context, options.keymap) == ("prod", "c", "vim")
    assert options.read_only
    assert not options.mouse


def test_user_files_are_looked_for_in_the_config_folder() -> None:
    options = parsed([], {"XDG_CONFIG_HOME": "/cfg"})
    assert options.keymap_folders[0] == Path("/cfg/hypersdk/keymaps")
    assert options.theme_folders[0] == Path("/cfg/hypersdk/themes")


@pytest.mark.parametrize(
    ("term", "is_terminal", "words"),
    [("dumb", True, "TERM"), ("", True, "TERM"), ("xterm", False, "not a terminal")],
)
def test_refusal_names_the_other_way(term: str, is_terminal: bool, words: str) -> None:
    said = refusal({"TERM": term}, is_terminal)
    assert words in said
    assert "hyperctl" in said


def test_ordinary_terminal_is_fine() -> None:
    assert refusal({"TERM": "xterm-256color"}, True) == ""


@pytest.mark.parametrize(
    ("term", "encoding", "shows"),
    [("xterm", "UTF-8", True), ("linux", "UTF-8", False), ("xterm", "ISO-8859-1", False), ("xterm", "utf8", True)],
)
def test_unicode_needs_a_locale_and_a_terminal(term: str, encoding: str, shows: bool) -> None:
    assert shows_unicode({"TERM": term}, encoding) is shows


def test_list_is_on_the_screen_before_anything_heavy_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "console.toml").write_text('keymap = "vim"\n')
    given = [sys.executable, "-c", FIRST_PAINT, str(tmp_path), *HEAVY]
    done = subprocess.run(given, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "[]"]


def test_log_goes_to_a_file_or_nowhere(tmp_path: Path) -> None:
    code = (
        "import logging, sys, pathlib, tui.main as m; from hypersdk.settings import Places\n"
        "m.log_to_file(Places(pathlib.Path(sys.argv[1]), pathlib.Path('/x')), pathlib.Path(sys.argv[2]))\n"
        "logging.getLogger('x').warning('something happened')"
    )
    for state, fallback in ((tmp_path, tmp_path / "b"), (Path("/proc/no"), tmp_path / "b"), (Path("/proc/no"),) * 2):
        done = subprocess.run([sys.executable, "-c", code, str(state), str(fallback)], capture_output=True, check=True)
        assert done.stderr == b""
    assert "something happened" in (tmp_path / "log" / "console.log").read_text()
    assert "something happened" in (tmp_path / "b" / "console.log").read_text()
