"""What a person likes is read, kept, and never in the way."""

from pathlib import Path

import pytest

from hypersdk.errors import ConfigError
from tests.tui.builders import vm
from tests.tui.screen import console, text, until
from tests.tui.scripted import ScriptedSession
from tui.options import Options
from tui.preferences import save_columns, saved_columns, with_preferences

LIKED = 'keymap = "vim"\ntheme = "light"\nmouse = false\n[contexts.prod]\nread_only = true\n'


def test_file_says_what_no_flag_says(tmp_path: Path) -> None:
    (tmp_path / "console.toml").write_text(LIKED)
    options, words = with_preferences(Options(config=tmp_path, theme="dark"))
    assert (options.keymap, options.theme, options.mouse, words) == ("vim", "dark", False, "")
    assert options.guarded == {"prod"}


def test_no_file_is_fine(tmp_path: Path) -> None:
    options, words = with_preferences(Options(config=tmp_path))
    assert (options.keymap, options.mouse, words) == ("default", True, "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param('keymap = "vim"\ncolour = 1\n', "console.toml:2: colour", id="unknown field"),
        pytest.param('mouse = "perhaps"\n', "console.toml:1: mouse", id="wrong type"),
        pytest.param("mouse =\n", "line 1", id="not TOML"),
    ],
)
def test_wrong_file_names_its_line_and_nothing_of_it_is_used(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "console.toml").write_text(text)
    options, said = with_preferences(Options(config=tmp_path))
    assert words in said
    assert options.keymap == "default"


def test_columns_are_kept(tmp_path: Path) -> None:
    assert saved_columns(tmp_path, {"name", "ip"}) is None
    save_columns(tmp_path / "new", ["name", "ip"])
    assert saved_columns(tmp_path / "new", {"name", "ip", "age"}) == ["name", "ip"]
    assert saved_columns(tmp_path / "new", {"name"}) == ["name"]


def test_columns_that_cannot_be_kept_say_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="the columns are not kept"):
        save_columns(tmp_path / "file", ["name"])


async def test_columns_are_chosen_in_a_dialog_and_stay(tmp_path: Path) -> None:
    options = Options(config=tmp_path)
    async with console(ScriptedSession(objects=[vm("web-1")]), options=options) as pilot:
        await until(pilot, "AGE")
        await pilot.press("V")
        await until(pilot, "Columns")
        await pilot.press("end", "enter", "y")
        await until(pilot, "AGE", gone=True)
    async with console(ScriptedSession(objects=[vm("web-1")]), options=options) as pilot:
        await until(pilot, "web-1")
        assert "AGE" not in text(pilot)


async def test_nothing_can_be_changed_in_a_guarded_context() -> None:
    session = ScriptedSession(objects=[vm("web-1", "Stopped")], context="prod")
    async with console(session, options=Options(guarded=frozenset({"prod"}))) as pilot:
        await until(pilot, "read-only")
        await pilot.press("s", "colon", *"start web-1", "enter")
        await until(pilot, "the context prod is read-only")
        assert session.done == []
