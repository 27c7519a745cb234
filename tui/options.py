"""What a person asked for on the command line, and where files of the user's are looked for."""

from dataclasses import dataclass
from pathlib import Path

from hypersdk.data import data_folder


@dataclass(frozen=True)
class Options:
    """The flags of `hypersdk`."""

    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""
    all_namespaces: bool = False
    keymap: str = ""
    """The default one when empty."""
    theme: str = ""
    read_only: bool = False
    guarded: frozenset[str] = frozenset()
    """Contexts in which nothing may be changed."""
    mouse: bool = True
    emulator: str = ""
    """The console's emulator by name; the best one that there is when empty."""
    config: Path = Path("/nonexistent")
    """The user's folder of settings."""

    @property
    def keymap_folders(self) -> tuple[Path, Path]:
        """The user's keymaps go before the product's."""
        return self.config / "keymaps", data_folder("keymaps")

    @property
    def theme_folders(self) -> tuple[Path, Path]:
        """The user's themes go before the product's."""
        return self.config / "themes", data_folder("themes")
