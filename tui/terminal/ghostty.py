"""Where is libghostty-vt, and how is it called? By declarations that are compiled before, for parsing takes 150 ms.

`scripts/generate.py` makes `_ghostty_abi.py` from those of pyghostty, whose wheel holds the library.
"""

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PACKAGE = "pyghostty"


@dataclass(frozen=True)
class Ghostty:
    """The library as cffi has it, which knows no types at check time."""

    ffi: Any
    lib: Any

    def sized(self, name: str) -> Any:  # noqa: ANN401 - cffi's
        """A new struct of that name, its `size` filled in as the library wants it."""
        made = self.ffi.new(f"{name} *")
        made.size = self.ffi.sizeof(name)
        return made


def library_path() -> Path | None:
    """The library inside pyghostty, which is not imported for it; None where its wheel does not exist."""
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).with_name("_lib") / "libghostty-vt.so"
    return path if path.exists() else None


@cache
def ghostty() -> Ghostty | None:
    """The library; None where there is none, or when it cannot be loaded."""
    path = library_path()
    if path is None:
        return None
    try:
        from tui.terminal._ghostty_abi import ffi

        return Ghostty(ffi, ffi.dlopen(str(path)))
    except (ImportError, OSError):
        return None
