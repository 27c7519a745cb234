"""What becomes of an error that nobody foresaw: a file for whoever mends it, one line for whoever met it."""

import os
import sys
import tempfile
import traceback
from pathlib import Path

from hypersdk.settings import places


def keep(error: Exception) -> str:
    """Write the traceback to a file of the user's own; the sentence for the person."""
    text = "".join(traceback.format_exception(error))
    folder = places(os.environ).log
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, path = tempfile.mkstemp(prefix="hyperctl-", suffix=".log", dir=folder)
    except OSError:
        handle, path = tempfile.mkstemp(prefix="hyperctl-", suffix=".log")
    with os.fdopen(handle, "w") as file:
        file.write(f"{sys.argv}\n{text}")
    return f"this is a fault of hyperctl itself ({type(error).__name__}); its traceback is in {Path(path)}"
