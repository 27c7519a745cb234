"""How a TOML file of the product's or the user's becomes a checked value, or an error that names its line.

The shape of a file is a dataclass: its fields, their types and defaults. Nothing else is needed to check one, and the
console reads its files before it has the time to load the library that checks the models.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Literal, TypeVar, get_args, get_origin

from hypersdk.errors import ConfigError

T = TypeVar("T")
Value = object
"""What TOML can say."""
_WORDS = {str: "a text in quotes", bool: "true or false"}


class _Wrong(Exception):
    """What is wrong, and where: the names on the way there, outermost first."""

    def __init__(self, names: Sequence[str], words: str) -> None:
        super().__init__(words)
        self.names = names


def load(path: Path, shape: type[T]) -> T:
    """The file as a value; ConfigError names the file and the line."""
    text = read(path)
    try:
        return _made(tomllib.loads(text), shape, ())
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from error
    except _Wrong as error:
        raise ConfigError(f"{place(path, text, error.names)}: {'.'.join(error.names)}: {error}") from error


def read(path: Path) -> str:
    """The text of the file; ConfigError when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error


def place(path: Path, text: str, names: Sequence[str]) -> str:
    """`file:line` of the line that sets the innermost of these names."""
    for name in reversed(names):
        pattern = re.compile(rf"""^\s*["']?{re.escape(name)}["']?\s*=""")
        for number, line in enumerate(text.splitlines(), 1):
            if pattern.match(line):
                return f"{path}:{number}"
    return str(path)


def find(name: str, folders: Iterable[Path]) -> Path:
    """The first `<name>.toml` in these folders; ConfigError says which names there are."""
    searched = list(folders)
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise ConfigError(f"{name!r} is not a name: letters, digits, '-' and '_' only")
    for folder in searched:
        if (path := folder / f"{name}.toml").is_file():
            return path
    known = sorted({path.stem for folder in searched for path in folder.glob("*.toml")})
    raise ConfigError(f"there is no {name}.toml in {searched[0]}; there are: {', '.join(known)}")


def _made(found: Value, shape: type[T], names: tuple[str, ...]) -> T:
    """A table of the file as that dataclass."""
    assert is_dataclass(shape)
    if not isinstance(found, Mapping):
        raise _Wrong(names, "this is a table")
    known = {one.name: one for one in fields(shape)}
    if unknown := [name for name in found if name not in known]:
        raise _Wrong((*names, unknown[0]), f"there is no such setting; there are: {', '.join(known)}")
    needed = [one.name for one in known.values() if one.default is MISSING and one.default_factory is MISSING]
    if missing := [name for name in needed if name not in found]:
        raise _Wrong((*names, missing[0]), "this must be set")
    return shape(**{name: _checked(value, known[name].type, (*names, name)) for name, value in found.items()})


def _checked(value: Value, kind: object, names: tuple[str, ...]) -> Value:
    """A value of the file, if it is of that kind."""
    if isinstance(kind, type) and is_dataclass(kind):
        return _made(value, kind, names)
    outer, inner = get_origin(kind), get_args(kind)
    if outer is UnionType:  # such as `str | None`: what is not there is None, TOML itself has no such word
        return _checked(value, inner[0], names)
    if outer is Literal:
        if value not in inner:
            raise _Wrong(names, f"{value!r} is none of: {', '.join(map(str, filter(None, inner)))}")
    elif outer is dict:
        if not isinstance(value, dict):
            raise _Wrong(names, "this is a table")
        return {name: _checked(one, inner[1], (*names, name)) for name, one in value.items()}
    elif outer is list:
        if not isinstance(value, list):
            raise _Wrong(names, "this is a list")
        return [_checked(one, inner[0], names) for one in value]
    elif type(value) is not kind:
        raise _Wrong(names, f"{value!r} is not {_WORDS[kind]}")  # type: ignore[index]
    return value
