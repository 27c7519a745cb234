"""How often does Python look for objects that only keep each other alive? Seldom, and never through the whole fleet.

Ten thousand VMs are a million objects, hardly any in a cycle: looking through them again and again as they came in
was a third of the time to the last row, and a pause of that kind would hold up a key.
"""

import gc
from typing import Final

NEW: Final = 100_000
"""So many new objects before the young ones are looked through; of the pauses that this makes none is felt."""


def seldom() -> None:
    """From now on; for the start of the program."""
    gc.set_threshold(NEW)


def settle() -> None:
    """What there is now is here to stay, and is not looked through again."""
    gc.freeze()


def unsettle() -> None:
    """What there is may be given up again."""
    gc.unfreeze()
