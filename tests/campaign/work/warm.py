"""A controller that is started often: forked from a process that has imported everything, and is that process no more.

`python -m tests.campaign.work.warm` reads a line of JSON with the command line of a controller and forks it; a line
with a number is a signal for it, answered once it is gone. What the controller writes goes where this was told to.
"""

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass

from controller import main as controller
from tests.libvirt.controllers import READY_WITHIN_S, ControllerProcess

_PR_SET_PDEATHSIG = 1
GONE = b"gone"


@dataclass
class Warm(ControllerProcess):
    """A controller whose start costs no imports."""

    parent: Process | None = None
    runs: bool = False

    async def start(self) -> None:
        """Fork one, and wait for its word."""
        if self.parent is None:
            self.parent = await self._spawned_parent()
        await self._say(self.words())
        assert await self._answer() == b"ready", self.tail()
        self.runs = True

    async def kill(self) -> None:
        """kill -9."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """SIGTERM, and no more are started."""
        code = await self._end(signal.SIGTERM) if self.runs else 0
        if self.parent is not None and self.parent.stdin is not None:
            # Not killed: below nsenter it is not the parent itself that holds the pipes.
            self.parent.stdin.close()
            await self.parent.wait()
        assert code == 0, self.tail()

    async def _end(self, number: int) -> int:
        self.runs = False
        await self._say(number)
        word, _, code = (await self._answer()).partition(b" ")
        assert word == GONE, self.tail()
        return int(code)

    async def _spawned_parent(self) -> Process:
        with self.log.open("ab") as log:
            words = ("setpriv", "--pdeathsig", "KILL", "--", *self.inside, sys.executable, "-m", __name__)
            return await asyncio.create_subprocess_exec(*words, stdin=PIPE, stdout=PIPE, stderr=log)

    async def _say(self, what: list[str] | int) -> None:
        assert self.parent is not None
        assert self.parent.stdin is not None
        self.parent.stdin.write(json.dumps(what).encode() + b"\n")
        await self.parent.stdin.drain()

    async def _answer(self) -> bytes:
        assert self.parent is not None
        assert self.parent.stdout is not None
        async with asyncio.timeout(READY_WITHIN_S):
            return (await self.parent.stdout.readline()).strip()


def main() -> None:
    """Fork and kill as it is told, until nobody tells anything."""
    child = 0
    for line in sys.stdin.buffer:
        told = json.loads(line)
        if isinstance(told, list):
            child = os.fork() or _become(told)
        else:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, told)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            sys.stdout.write(f"{GONE.decode()} {code}\n")
            sys.stdout.flush()


def _become(words: list[str]) -> int:
    """The controller; it ends with its parent."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = ["controller.main", *words]
    code = 1
    try:
        code = controller.main()
    finally:
        sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
