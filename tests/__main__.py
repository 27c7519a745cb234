"""Runs every test, in runs side by side that share them: see `tests.lanes`.

`python -m tests [pytest's arguments]`; with an `-m` of one's own it is one plain run. Each run has a network namespace
of its own, so that nothing of the one is in another's way.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Final

import pytest

PRIVATE = Path(__file__).parent.parent / "scripts/private-network.sh"
LANES: Final = 3
"""For two cores: one of them mostly waits, for a screen to settle, a guest to go off or a server to come up."""

TIMEOUT_S: Final = 30
"""For a test that names no time of its own: longer than alone, for it has not a whole core to itself."""


def main(arguments: Sequence[str]) -> int:
    """Run them all; 0 only when every test has passed."""
    if "-m" in arguments:
        return _start(arguments, None).wait()
    with ExitStack() as stack:
        claims = stack.enter_context(tempfile.TemporaryDirectory())
        # In one word: of a path that stands alone pytest would think that the tests are there.
        shared = ["-p", "tests.lanes", f"--claims={claims}", f"--timeout={TIMEOUT_S}", *arguments]
        # The first is told as it goes on, each other one as a whole after it.
        kept = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(1, LANES)]
        running = [_start(shared, output) for output in (None, *kept)]
        codes = [process.wait() for process in running]
        for output in kept:
            output.seek(0)
            sys.stdout.buffer.write(output.read())
        sys.stdout.flush()
    return verdict(codes)


def verdict(codes: Sequence[int]) -> int:
    """One exit code for all: arguments may leave some of them without a test, but not all."""
    ran = [code for code in codes if code != pytest.ExitCode.NO_TESTS_COLLECTED]
    return max(ran, default=int(pytest.ExitCode.NO_TESTS_COLLECTED), key=abs)


def _start(arguments: Sequence[str], output: IO[bytes] | None) -> subprocess.Popen[bytes]:
    command = [str(PRIVATE), sys.executable, "-m", "pytest", *arguments]
    return subprocess.Popen(command, stdout=output, stderr=output)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
