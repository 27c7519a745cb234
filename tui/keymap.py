"""Which key does what: keymaps are TOML files, checked against the table of commands."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from hypersdk.errors import ConfigError
from tui.datafile import find, load, place, read

DEFAULT: Final = "default"
MODIFIERS: Final = frozenset({"ctrl", "shift", "alt"})
NAMED: Final = frozenset(
    [
        "enter",
        "escape",
        "tab",
        "space",
        "backspace",
        "delete",
        "insert",
        "home",
        "end",
        "pageup",
        "pagedown",
        "up",
        "down",
        "left",
        "right",
    ]
) | frozenset(f"f{number}" for number in range(1, 25))
SHOWN: Final = {
    "escape": "esc", "pageup": "pgup", "pagedown": "pgdn", "delete": "del", "question_mark": "?", "colon": ":",
    "slash": "/", "comma": ",",
}  # fmt: skip


@dataclass(frozen=True)
class KeymapFile:
    """A keymap file: ids of commands to keys, several separated by commas."""

    name: str
    extends: str = ""
    keys: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Keymap:
    """A checked keymap."""

    name: str
    keys: Mapping[str, str]

    def shown(self, id: str) -> str:
        """The first key of a command, for people."""
        return show(self.keys.get(id, "").split(",")[0])

    def all_shown(self, id: str) -> str:
        """Every key of a command, for people."""
        return " ".join(show(key) for key in self.keys.get(id, "").split(",") if key)


def show(key: str) -> str:
    """A key as people write it: `ctrl+d` is ^d."""
    return SHOWN.get(key, key).replace("ctrl+", "^")


def load_keymap(name: str, folders: Sequence[Path], ids: Iterable[str]) -> Keymap:
    """The keymap of that name, on top of those it extends; ConfigError names the file and the line."""
    known, seen = frozenset(ids), {name}
    path = find(name, folders)
    loaded = load(path, KeymapFile)
    _check(path, loaded, known)
    layers = [loaded.keys]
    while loaded.extends:
        if loaded.extends in seen:
            raise ConfigError(f"{path}: extends = {loaded.extends!r} goes round in a circle")
        seen.add(loaded.extends)
        path = find(loaded.extends, folders)
        loaded = load(path, KeymapFile)
        _check(path, loaded, known)
        layers.append(loaded.keys)
    merged: dict[str, str] = {}
    for layer in reversed(layers):
        merged |= layer
    return Keymap(name, {id: ",".join(_split(keys)) for id, keys in merged.items()})


def _check(path: Path, loaded: KeymapFile, known: frozenset[str]) -> None:
    for id, keys in loaded.keys.items():
        if words := _wrong(id, keys, known):
            raise ConfigError(f"{place(path, read(path), [id])}: {words}")


def _wrong(id: str, keys: str, known: frozenset[str]) -> str:
    """What is wrong with these keys of that command; empty when nothing is."""
    if id not in known:
        return f"there is no command {id!r}; '?' in the console lists them"
    bad = next((key for key in _split(keys) if not is_key(key)), None)
    if bad is not None or not keys.strip():
        return f"{bad or keys!r} is not a key such as s, ctrl+d, f5, enter or question_mark"
    return ""


def _split(keys: str) -> list[str]:
    return [key.strip() for key in keys.split(",")]


def is_key(key: str) -> bool:
    """Whether a terminal could send it at all."""
    *modifiers, last = key.split("+")
    if not set(modifiers) <= MODIFIERS or not last:
        return False
    return len(last) == 1 or last in NAMED or last in _punctuation()


def is_legacy(key: str) -> bool:
    """Whether every terminal can send it, without one of the newer keyboard protocols."""
    *modifiers, last = key.split("+")
    if not modifiers:
        return is_key(key)
    return modifiers == ["ctrl"] and len(last) == 1 and last.isalpha() and last not in "im"


@cache
def _punctuation() -> frozenset[str]:
    """Textual's long names of signs, such as question_mark."""
    from textual.keys import _character_to_key

    return frozenset(_character_to_key(sign) for sign in "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ ")


def clashes(keymap: Keymap, groups: Iterable[Iterable[str]]) -> list[str]:
    """Keys that two commands of the same group want, in words."""
    found = []
    for group in groups:
        owner: dict[str, str] = {}
        for id in group:
            keys = [key for key in keymap.keys.get(id, "").split(",") if key]
            taken = [key for key in keys if owner.setdefault(key, id) != id]
            found += [f"{show(key)} is both {owner[key]} and {id}" for key in taken]
    return found


def choose_keymap(asked: str, folders: Sequence[Path]) -> tuple[Keymap, str]:
    """The keymap asked for, else the default and a notice why."""
    from tui.commands import IDS, LISTS, View, commands

    try:
        keymap = load_keymap(asked, folders, IDS)
    except ConfigError as error:
        return load_keymap(DEFAULT, folders[-1:], IDS), f"the keymap was not used: {error}"
    groups = [(view, View.ANYWHERE) for view in (View.VMS, View.DETAIL, *LISTS)] + [
        (v,) for v in (View.TABLE, View.PANE, View.CONSOLE)
    ]
    wrong = clashes(keymap, ([one.id for one in commands(*views)] for views in groups))
    return keymap, f"keymap {asked!r}: {'; '.join(wrong)}" if wrong else ""
