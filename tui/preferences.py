"""What a person likes, kept in files: `console.toml` is theirs to write, `columns.toml` is written by the console."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

from hypersdk.errors import ConfigError
from tui.datafile import load
from tui.options import Options

CONSOLE: Final = "console.toml"
COLUMNS: Final = "columns.toml"


@dataclass(frozen=True)
class OfContext:
    """What holds in one context of the kubeconfig."""

    read_only: bool = False


@dataclass(frozen=True)
class Preferences:
    """`console.toml`; flags go before it."""

    keymap: str = "default"
    theme: str = ""
    mouse: bool = True
    emulator: Literal["", "ghostty", "pyte"] = ""
    read_only: bool = False
    contexts: dict[str, OfContext] = field(default_factory=dict)


@dataclass(frozen=True)
class ColumnsFile:
    """`columns.toml`."""

    vms: list[str]


def with_preferences(options: Options) -> tuple[Options, str]:
    """The options with what the person likes in the place of what no flag says; and a notice when the file is wrong."""
    path, words = options.config / CONSOLE, ""
    liked = Preferences()
    try:
        liked = load(path, Preferences) if path.exists() else liked
    except ConfigError as error:
        words = f"{CONSOLE} was not used: {error}"
    guarded = frozenset(name for name, one in liked.contexts.items() if one.read_only)
    return (
        replace(
            options,
            keymap=options.keymap or liked.keymap,
            theme=options.theme or liked.theme,
            mouse=options.mouse and liked.mouse,
            emulator=liked.emulator,
            read_only=options.read_only or liked.read_only,
            guarded=guarded,
        ),
        words,
    )


def saved_columns(config: Path, known: Collection[str]) -> Sequence[str] | None:
    """The columns of the VM list that were chosen last; None when none were, or when the file cannot be used."""
    path = config / COLUMNS
    try:
        chosen = load(path, ColumnsFile).vms if path.exists() else []
    except ConfigError:
        return None
    return [one for one in chosen if one in known] or None


def save_columns(config: Path, chosen: Sequence[str]) -> None:
    """Keep the choice; ConfigError when it cannot be written."""
    import json

    path = config / COLUMNS
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".tmp")
        fresh.write_text(
            f"# The columns of the VM list, as they were chosen in the console.\nvms = {json.dumps(chosen)}\n"
        )
        fresh.replace(path)
    except OSError as error:
        raise ConfigError(f"the columns are not kept: {path}: {error.strerror or error}") from error
