"""How the console looks: themes are TOML files with the fields of a Textual theme, checked at load."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from textual.color import Color, ColorParseError
from textual.theme import Theme

from hypersdk.errors import ConfigError
from tui.datafile import find, load

FEW_COLOURS: Final = "ansi"
DEFAULT: Final = "dark"


def _colour(value: str) -> str:
    try:
        Color.parse(value)
    except ColorParseError as error:
        raise ValueError(f"{value!r} is not a colour such as #336699 or ansi_blue") from error
    return value


Colour = Annotated[str, AfterValidator(_colour)]


class ThemeFile(BaseModel):
    """A theme file."""

    model_config = ConfigDict(extra="forbid")

    name: str
    dark: bool = True
    ansi: bool = False
    primary: Colour
    secondary: Colour | None = None
    warning: Colour | None = None
    error: Colour | None = None
    success: Colour | None = None
    accent: Colour | None = None
    foreground: Colour | None = None
    background: Colour | None = None
    surface: Colour | None = None
    panel: Colour | None = None
    boost: Colour | None = None
    variables: dict[str, str] = Field(default_factory=dict)


def load_theme(name: str, folders: Sequence[Path]) -> Theme:
    """The theme of that name; ConfigError names the file and the line."""
    return Theme(**load(find(name, folders), ThemeFile).model_dump())


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
