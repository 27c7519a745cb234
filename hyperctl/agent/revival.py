"""How the node's controller is killed, and how it comes back: by us on the local stack, elsewhere by its supervisor."""

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hyperctl.stack.part import Part
from hyperctl.stack.process import Process, await_end, identify
from hypersdk.errors import HyperSDKError
from hypersdk.settings import Places

_READY_WITHIN_S = 90.0
_DEAD_WITHIN_S = 10.0
_MODULE = "controller.main"


class Victim(Protocol):
    """A controller that may be killed."""

    async def kill(self) -> None:
        """kill -9; returns when it is dead."""
        ...

    async def revive(self) -> None:
        """See that it runs again; no error when it does."""
        ...


@dataclass
class OfStack:
    """The local stack's: started again with the words that it was started with."""

    places: Places
    command: tuple[str, ...]
    facts: dict[str, str]

    @classmethod
    def running(cls, places: Places) -> "OfStack":
        """The one that runs now; HyperSDKError when none does."""
        part = Part.of(places, "controller")
        record, process = part.read(), part.process
        if record is None or process is None:
            raise HyperSDKError("the local stack's controller does not run: 'hyperctl up' starts it")
        words = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")
        return cls(places, tuple(words), dict(record.facts))

    async def kill(self) -> None:
        """kill -9."""
        if process := Part.of(self.places, "controller").process:
            await _killed(process)

    async def revive(self) -> None:
        """Start it unless it runs."""
        part = Part.of(self.places, "controller")
        if part.process is None:
            await asyncio.to_thread(self._start, part)

    def _start(self, part: Part) -> None:
        part.start(self.command, **self.facts).await_ready(_READY_WITHIN_S, lambda _: None)


@dataclass
class OfPid:
    """One whose supervisor starts it again by itself; the next one is another process with the same words."""

    process: Process
    words: bytes

    @classmethod
    def running(cls, pid: int) -> "OfPid":
        """That one; HyperSDKError when it is no controller."""
        process = identify(pid)
        words = _words(pid)
        if process is None or not any(_MODULE in word or "hypersdk-controller" in word for word in _split(words)):
            raise HyperSDKError(f"process {pid} is no hypersdk-controller")
        return cls(process, words)

    async def kill(self) -> None:
        """kill -9."""
        await _killed(self.process)

    async def revive(self) -> None:
        """Wait for the next one."""
        async with asyncio.timeout(_READY_WITHIN_S):
            while not self.process.is_alive:
                self.process = _like(self.words) or self.process
                await asyncio.sleep(0.1)


@dataclass
class OfUnit:
    """A systemd unit's: systemd starts it again (Restart=), or is asked to."""

    unit: str

    async def kill(self) -> None:
        """kill -9."""
        await _systemctl("kill", "--signal=KILL", "--", self.unit)

    async def revive(self) -> None:
        """Have it started, and wait for it."""
        await _systemctl("start", "--", self.unit)


async def _killed(process: Process) -> None:
    with suppress(ProcessLookupError):
        if process.is_alive:
            os.kill(process.pid, signal.SIGKILL)
    if not await asyncio.to_thread(await_end, process, _DEAD_WITHIN_S):
        raise HyperSDKError(f"process {process.pid} does not die")


def _like(words: bytes) -> Process | None:
    found = (int(folder.name) for folder in Path("/proc").glob("[0-9]*"))
    return next((process for pid in found if _words(pid) == words and (process := identify(pid))), None)


def _words(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _split(words: bytes) -> Sequence[str]:
    return words.decode(errors="replace").split("\0")


async def _systemctl(*arguments: str) -> None:
    try:
        process = await asyncio.create_subprocess_exec(
            "systemctl", *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
    except FileNotFoundError as error:
        raise HyperSDKError("there is no systemctl on this host: name the controller by --controller-pid") from error
    _, words = await process.communicate()
    if process.returncode != 0:
        raise HyperSDKError(f"systemctl {arguments[0]}: {words.decode(errors='replace').strip()}")
