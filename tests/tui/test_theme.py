"""Themes: files are checked, and the terminal has its say."""

from pathlib import Path

import pytest

from hypersdk.data import data_folder
from hypersdk.errors import ConfigError
from tui.theme import choose_theme, has_few_colours, load_theme

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
    assert "there are: ansi, dark, light" in notice


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
