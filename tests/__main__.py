"""Runs every test: those with guests beside those without, which leave each other's core alone most of the time.

`python -m tests [pytest's arguments]`; with an `-m` of one's own it is one plain run.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import IO

import pytest

GUESTS = "libvirt or e2e"
HALVES = (f"not ({GUESTS})", GUESTS)


def main(arguments: Sequence[str]) -> int:
    """Run both halves; 0 only when every test of both has passed."""
    if "-m" in arguments:
        return _start(arguments, None).wait()
    with tempfile.TemporaryFile() as kept:
        # The first half is told as it goes on, the other one as a whole after it.
        running = [_start(["-m", HALVES[0], *arguments], None), _start(["-m", HALVES[1], *arguments], kept)]
        codes = [process.wait() for process in running]
        kept.seek(0)
        sys.stdout.buffer.write(kept.read())
        sys.stdout.flush()
    return verdict(codes)


def verdict(codes: Sequence[int]) -> int:
    """One exit code for the halves: arguments may leave one of them without a test, but not both."""
    ran = [code for code in codes if code != pytest.ExitCode.NO_TESTS_COLLECTED]
    return max(ran, default=int(pytest.ExitCode.NO_TESTS_COLLECTED), key=abs)


def _start(arguments: Sequence[str], output: IO[bytes] | None) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "pytest", *arguments], stdout=output, stderr=output)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
