"""How the console looks: themes are TOML files with the fields of a Textual theme, checked at load."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from textual.color import Color, ColorParseError
from textual.theme import Theme

from hypersdk.errors import ConfigError
from tui.datafile import find, load, place, read

FEW_COLOURS: Final = "ansi"
DEFAULT: Final = "dark"
COLOURS: Final = (
    "primary", "secondary", "warning", "error", "success", "accent", "foreground", "background", "surface", "panel",
    "boost",
)  # fmt: skip


@dataclass(frozen=True)
class ThemeFile:
    """A theme file."""

    name: str
    primary: str
    dark: bool = True
    ansi: bool = False
    secondary: str | None = None
    warning: str | None = None
    error: str | None = None
    success: str | None = None
    accent: str | None = None
    foreground: str | None = None
    background: str | None = None
    surface: str | None = None
    panel: str | None = None
    boost: str | None = None
    variables: dict[str, str] = field(default_factory=dict)


def load_theme(name: str, folders: Sequence[Path]) -> Theme:
    """The theme of that name; ConfigError names the file and the line."""
    path = find(name, folders)
    loaded = asdict(load(path, ThemeFile))
    for colour in COLOURS:
        if (value := loaded[colour]) is not None and not _is_colour(value):
            words = f"{colour}: {value!r} is not a colour such as #336699 or ansi_blue"
            raise ConfigError(f"{place(path, read(path), [colour])}: {words}")
    return Theme(**loaded)


def _is_colour(value: str) -> bool:
    try:
        Color.parse(value)
    except ColorParseError:
        return False
    return True


def choose_theme(asked: str, folders: Sequence[Path], few_colours: bool) -> tuple[Theme, str]:
    """The theme asked for, else the one that suits the terminal; and a notice when the one asked for is wrong."""
    fitting = FEW_COLOURS if few_colours else DEFAULT
    if not asked:
        return load_theme(fitting, folders[-1:]), ""
    try:
        return load_theme(asked, folders), ""
    except ConfigError as error:
        return load_theme(fitting, folders[-1:]), f"the theme was not used: {error}"


def has_few_colours(environ: Mapping[str, str]) -> bool:
    """NO_COLOR, or a terminal that names no more than 16 colours."""
    if environ.get("NO_COLOR") is not None:
        return True
    if environ.get("COLORTERM", "").lower() in {"truecolor", "24bit"}:
        return False
    return environ.get("TERM", "").rpartition("-")[2] not in {"256color", "kitty"}  # the same rule as Rich's
