"""How a TOML file of the product's or the user's becomes a checked value, or an error that names its line."""

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from hypersdk.errors import ConfigError

M = TypeVar("M", bound=BaseModel)


def load(path: Path, model: type[M]) -> M:
    """The file as a value; ConfigError names the file and the line."""
    text = read(path)
    try:
        return model.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = [str(part) for part in first["loc"]]
        raise ConfigError(f"{place(path, text, where)}: {'.'.join(where)}: {first['msg']}") from error


def read(path: Path) -> str:
    """The text of the file; ConfigError when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error


def place(path: Path, text: str, names: list[str]) -> str:
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
