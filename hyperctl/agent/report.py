"""What a check found, told in one line: `ok`, `warn`, `FAIL` or `skip`, the seconds it took, and words."""

import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TextIO

from hypersdk.errors import HyperSDKError
from hypersdk.plaintext import plain

_NAME_WIDTH = 22


class Verdict(StrEnum):
    """How a check ended; only FAIL makes the whole fail."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"
    SKIP = "skip"


@dataclass(frozen=True)
class Found:
    """The end of one check."""

    verdict: Verdict
    words: str


Check = Callable[[], Awaitable[Found]]


def ok(words: str) -> Found:
    """It is as it should be."""
    return Found(Verdict.OK, words)


def warn(words: str) -> Found:
    """It works, and somebody should look at it."""
    return Found(Verdict.WARN, words)


def fail(words: str) -> Found:
    """It does not work."""
    return Found(Verdict.FAIL, words)


def skip(words: str) -> Found:
    """It was not looked at."""
    return Found(Verdict.SKIP, words)


@dataclass
class Report:
    """Runs checks and prints what they found."""

    out: TextIO = field(default_factory=lambda: sys.stdout)
    clock: Callable[[], float] = time.monotonic
    failures: int = 0
    warnings: int = 0

    async def run(self, name: str, check: Check) -> bool:
        """Run one check; whether it did not fail. A foreseen error is a failure with its words."""
        began = self.clock()
        try:
            found = await check()
        except (HyperSDKError, TimeoutError, OSError) as error:
            found = fail(str(error) or "no answer in time")
        self.say(name, self.clock() - began, found)
        return found.verdict is not Verdict.FAIL

    def say(self, name: str, seconds: float, found: Found) -> None:
        """Print one line."""
        self.failures += found.verdict is Verdict.FAIL
        self.warnings += found.verdict is Verdict.WARN
        words = " ".join(plain(found.words).split())
        self.out.write(f"{found.verdict:<5}{name:<{_NAME_WIDTH}}{seconds:7.2f} s  {words}\n")
        self.out.flush()

    def summary(self) -> str:
        """All of it in a sentence."""
        if self.failures:
            return f"selftest: {self.failures} failed, {self.warnings} to look at"
        return f"selftest: all well, {self.warnings} to look at" if self.warnings else "selftest: all well"
