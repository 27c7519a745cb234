"""Runs every test, in two runs side by side that share them: see `tests.lanes`.

`python -m tests [pytest's arguments]`; with an `-m` of one's own it is one plain run. Each run has a network namespace
of its own, so that nothing of the one is in the other's way.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import pytest

PRIVATE = Path(__file__).parent.parent / "scripts/private-network.sh"


def main(arguments: Sequence[str]) -> int:
    """Run both; 0 only when every test has passed."""
    if "-m" in arguments:
        return _start(arguments, None).wait()
    with tempfile.TemporaryFile() as kept, tempfile.TemporaryDirectory() as claims:
        # In one word: of a path that stands alone pytest would think that the tests are there.
        shared = ["-p", "tests.lanes", f"--claims={claims}", *arguments]
        # The one is told as it goes on, the other one as a whole after it.
        running = [_start(shared, None), _start(["--backwards", *shared], kept)]
        codes = [process.wait() for process in running]
        kept.seek(0)
        sys.stdout.buffer.write(kept.read())
        sys.stdout.flush()
    return verdict(codes)


def verdict(codes: Sequence[int]) -> int:
    """One exit code for both: arguments may leave one of them without a test, but not both."""
    ran = [code for code in codes if code != pytest.ExitCode.NO_TESTS_COLLECTED]
    return max(ran, default=int(pytest.ExitCode.NO_TESTS_COLLECTED), key=abs)


def _start(arguments: Sequence[str], output: IO[bytes] | None) -> subprocess.Popen[bytes]:
    command = [str(PRIVATE), sys.executable, "-m", "pytest", *arguments]
    return subprocess.Popen(command, stdout=output, stderr=output)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
