"""Keymaps: files are checked, wrong ones name their line, the default stands in."""

from pathlib import Path

import pytest

from hypersdk.data import data_folder
from hypersdk.errors import ConfigError
from hypersdk.verbs.table import VERBS
from tui.commands import IDS, View, commands
from tui.keymap import choose_keymap, clashes, is_key, is_legacy, load_keymap, show

PRODUCT = data_folder("keymaps")


def _user(tmp_path: Path, text: str) -> tuple[Path, Path]:
    (tmp_path / "mine.toml").write_text(text)
    return tmp_path, PRODUCT


@pytest.mark.parametrize("name", sorted(path.stem for path in PRODUCT.glob("*.toml")))
def test_each_command_has_a_key_that_a_legacy_terminal_can_send(name: str) -> None:
    keymap = load_keymap(name, [PRODUCT], IDS)
    assert set(keymap.keys) == IDS
    assert [id for id, keys in keymap.keys.items() if not any(is_legacy(key) for key in keys.split(","))] == []


@pytest.mark.parametrize("name", sorted(path.stem for path in PRODUCT.glob("*.toml")))
def test_no_key_has_two_meanings_on_one_screen(name: str) -> None:
    assert choose_keymap(name, [PRODUCT])[1] == ""


def test_every_verb_has_a_command_and_a_key() -> None:
    keymap = load_keymap("default", [PRODUCT], IDS)
    assert all(keymap.shown(verb.id) for verb in VERBS)
    assert {verb.id for verb in VERBS} <= {one.id for one in commands(View.VMS)} & {
        one.id for one in commands(View.DETAIL)
    }


def test_read_only_leaves_out_what_changes_anything() -> None:
    assert not any(one.writes for one in commands(*View, read_only=True))


def test_user_keymap_extends_the_default(tmp_path: Path) -> None:
    folders = _user(tmp_path, 'name = "mine"\nextends = "default"\n[keys]\n"vm.start" = "f5, S"\n')
    keymap = load_keymap("mine", folders, IDS)
    assert keymap.keys["vm.start"] == "f5,S"
    assert keymap.shown("vm.stop") == "t"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param('name = "mine"\n[keys]\n"vm.fly" = "f"\n', "mine.toml:3: there is no command 'vm.fly'", id="id"),
        pytest.param('name = "mine"\n[keys]\n\n"vm.start" = "hyper+x"\n', "mine.toml:4: 'hyper+x' is not", id="key"),
        pytest.param('name = "mine"\n[keys]\n"vm.start" = 5\n', "mine.toml:3: keys.vm.start", id="type"),
        pytest.param('name = "mine"\ncolour = "x"\n', "mine.toml:2: colour", id="unknown field"),
        pytest.param('name = "mine"\n[keys\n', "line 2", id="not TOML"),
        pytest.param('name = "mine"\nextends = "mine"\n', "circle", id="extends itself"),
        pytest.param('name = "mine"\nextends = "../../etc"\n', "is not a name", id="path as name"),
    ],
)
def test_wrong_file_names_its_line_and_the_default_stands_in(tmp_path: Path, text: str, words: str) -> None:
    folders = _user(tmp_path, text)
    with pytest.raises(ConfigError) as error:
        load_keymap("mine", folders, IDS)
    assert words in str(error.value).replace('"', "'")
    keymap, notice = choose_keymap("mine", folders)
    assert keymap.name == "default"
    assert "the keymap was not used" in notice


def test_missing_keymap_says_which_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there are: default, emacs, vim"):
        load_keymap("nano", [tmp_path, PRODUCT], IDS)


def test_clash_in_a_user_keymap_is_told(tmp_path: Path) -> None:
    folders = _user(tmp_path, 'name = "mine"\nextends = "default"\n[keys]\n"vm.start" = "t"\n')
    keymap, notice = choose_keymap("mine", folders)
    assert keymap.name == "mine"
    assert "t is both vm.start and vm.stop" in notice
    assert clashes(keymap, [["vm.start"]]) == []


@pytest.mark.parametrize("key", ["s", "?", "ctrl+d", "question_mark", "f12", "pageup", "alt+x"])
def test_keys_that_exist(key: str) -> None:
    assert is_key(key)


@pytest.mark.parametrize("key", ["", "ctrl+", "hyper+x", "enterr", "ctrl+shift"])
def test_keys_that_do_not(key: str) -> None:
    assert not is_key(key)


def test_keys_are_shown_as_people_write_them() -> None:
    assert [show(key) for key in ("ctrl+d", "escape", "question_mark", "s")] == ["^d", "esc", "?", "s"]
