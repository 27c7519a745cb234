"""Short names of images: which file names them, and what is meant by a name that it does not have."""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from hypersdk.errors import ConfigError, Terminal
from hypersdk.model.virtualmachine import Checksum

_MOST_NAMES = 12


@dataclass(frozen=True)
class Entry:
    """What a short name stands for."""

    url: str
    checksum: Checksum | None = None
    """Used where the spec gives none."""


def read_catalogue(path: Path | None) -> dict[str, Entry]:
    """Short names, from the table `[images]` of a TOML file: each a URL, or a table of `url` and `checksum`."""
    if path is None:
        return {}
    try:
        table = tomllib.loads(path.read_text()).get("images", {})
        return {str(name): _entry(str(name), value) for name, value in table.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(f"the image catalogue {path} cannot be read: {error}") from error


def entry_of(name: str, catalogue: Mapping[str, Entry]) -> Entry:
    """The name's entry; Terminal with the names that are like it, else with those that there are."""
    if name in catalogue:
        return catalogue[name]
    near = difflib.get_close_matches(name, catalogue, n=5, cutoff=0.5)
    near += [known for known in sorted(catalogue) if known.partition(":")[0] == name.partition(":")[0]]
    if near:
        raise Terminal("ImageNotFound", f"no image is named {name!r}; near it: {', '.join(dict.fromkeys(near))}")
    known = sorted(catalogue)
    listed = ", ".join(known[:_MOST_NAMES]) + (f" and {len(known) - _MOST_NAMES} more" if known[_MOST_NAMES:] else "")
    raise Terminal("ImageNotFound", f"no image is named {name!r}; known names: {listed or 'none'}")


def _entry(name: str, value: object) -> Entry:
    match value:
        case str():
            return Entry(value)
        case {"url": str() as url, **rest} if not rest.keys() - {"checksum"}:
            try:
                return Entry(url, Checksum.model_validate(rest["checksum"]) if rest else None)
            except ValidationError as error:
                raise ValueError(f"image {name!r}: {error.errors()[0]['msg']}") from error
    raise ValueError(f"image {name!r} is neither a URL nor a table of url and checksum")
