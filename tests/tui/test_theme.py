"""Themes: files are checked, and the terminal has its say."""

from pathlib import Path

import pytest
from rich.color import Color as RichColor

from hypersdk.data import data_folder
from hypersdk.errors import ConfigError
from tests.tui.builders import vm
from tests.tui.screen import console, until
from tests.tui.scripted import ScriptedSession
from tui.theme import choose_theme, has_few_colours, load_theme
from tui.tone import Tone
from tui.widgets.table import Table

PRODUCT = data_folder("themes")


@pytest.mark.parametrize("name", sorted(path.stem for path in PRODUCT.glob("*.toml")))
def test_product_themes_load(name: str) -> None:
    assert load_theme(name, [PRODUCT]).name == name


def test_wrong_colour_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('name = "mine"\nprimary = "reddish"\n')
    with pytest.raises(ConfigError, match=r"mine.toml:2: primary: .*'reddish' is not a colour"):
        load_theme("mine", [tmp_path, PRODUCT])


def test_wrong_theme_gives_the_fitting_one_and_a_notice(tmp_path: Path) -> None:
    theme, notice = choose_theme("nope", [tmp_path, PRODUCT], few_colours=True)
    assert theme.name == "ansi"
    assert "there are: ansi, dark, high-contrast, light, mono" in notice


@pytest.mark.parametrize(
    ("environ", "few"),
    [
        pytest.param({"TERM": "xterm-256color"}, False, id="256 colours"),
        pytest.param({"TERM": "xterm"}, True, id="16 colours"),
        pytest.param({"TERM": "xterm", "COLORTERM": "truecolor"}, False, id="truecolor"),
        pytest.param({"TERM": "linux"}, True, id="Linux console"),
        pytest.param({"TERM": "screen"}, True, id="screen"),
        pytest.param({"TERM": "xterm-kitty"}, False, id="kitty"),
        pytest.param({"TERM": "xterm-256color", "NO_COLOR": ""}, True, id="NO_COLOR"),
    ],
)
def test_terminal_with_few_colours_is_known(environ: dict[str, str], few: bool) -> None:
    assert has_few_colours(environ) is few


def _luminance(colour: RichColor | None) -> float:
    assert colour is not None
    parts = [part / 255 for part in colour.get_truecolor()]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


async def test_high_contrast_theme_keeps_its_word() -> None:
    """WCAG 2.2, success criterion 1.4.6."""
    async with console(ScriptedSession(objects=[vm("a")]), theme="high-contrast") as pilot:
        await until(pilot, "Running")
        table = pilot.app.screen.query_one(Table)
        for name in [*(f"tone--{tone}" for tone in Tone), "table--header", "table--cursor", "table--marked"]:
            style = table.style_of(name)
            bright, dark = sorted((_luminance(style.color), _luminance(style.bgcolor)), reverse=True)
            assert (bright + 0.05) / (dark + 0.05) >= 7, name


async def test_mono_theme_shows_no_colour() -> None:
    async with console(ScriptedSession(objects=[vm("a", "Failed")]), theme="mono") as pilot:
        await until(pilot, "✗ Failed")
        table = pilot.app.screen.query_one(Table)
        styles = [table.style_of(f"tone--{tone}") for tone in Tone]
        assert {colour.name for style in styles if (colour := style.color)} <= {"default"}
