"""How something is done that only root may do."""

import os
import shutil
import sys

from hypersdk.errors import HyperSDKError


def as_root(purpose: str) -> tuple[str, ...]:
    """What to put before a command so that root runs it: nothing for root, sudo for others."""
    if os.getuid() == 0:
        return ()
    if not shutil.which("sudo"):
        raise HyperSDKError(
            f"{purpose} needs root, and there is no sudo. Run this as root, or have an administrator install sudo "
            "and allow you to use it"
        )
    # Without a terminal there is no one to type a password: refuse at once instead of waiting for ever.
    # The question begins a line of its own, below the step that is being told of.
    return ("sudo", "--prompt", "\n[sudo] password of %p: ") if sys.stdin.isatty() else ("sudo", "-n")
