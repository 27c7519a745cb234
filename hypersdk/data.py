"""The data folders that ship with the product: keymaps, themes, CRDs, examples."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def data_folder(name: str) -> Path:
    """`keymaps`, `themes` or `deploy`: inside an installed package, else in the checkout."""
    installed = _PACKAGE / "_data" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name
