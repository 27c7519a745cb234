"""How a command is left running behind: `python -m hyperctl.stack.background LOG COMMAND...` prints its pid."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from hypersdk.errors import HyperSDKError


def start(command: Sequence[str], log: Path, *, prefix: Sequence[str] = ()) -> int:
    """Start a command that survives the terminal and this process, its output appended to `log`; its pid.

    With a prefix (sudo) the command runs as another user, who must be able to write the log.
    """
    log.touch(0o600)
    launcher = [*prefix, sys.executable, "-P", "-m", "hyperctl.stack.background", str(log), *command]
    done = subprocess.run(launcher, stdout=subprocess.PIPE, text=True, check=False, cwd="/")
    if done.returncode != 0 or not done.stdout.strip().isdigit():
        raise HyperSDKError(f"{command[0]} could not be started in the background; see {log}")
    return int(done.stdout)


def detach(command: Sequence[str], log: Path) -> int:
    """Start the command in a session of its own with no terminal; nobody's child once this process ends."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd="/"
        ).pid


if __name__ == "__main__":
    print(detach(sys.argv[2:], Path(sys.argv[1])), flush=True)
    os._exit(0)  # the started command is not waited for, and no warning is due about that
