"""One background part of the stack: which process it is, where its log is, and what is known of it."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from hyperctl.stack import background
from hyperctl.stack.process import Kill, Process, end, identify, plain_kill
from hyperctl.stack.talk import Tell
from hypersdk.errors import HyperSDKError
from hypersdk.settings import Places

NAMES = ("libvirt", "api", "controller")
"""The parts, in the order in which each needs the ones before it."""
_POLL_S = 0.05
_LOG_LINES = 8
_STOP_TIMEOUT_S = 15.0


@dataclass(frozen=True)
class Record:
    """What was noted when the part was started: the process (None when it is not ours) and plain facts."""

    process: Process | None
    facts: Mapping[str, str]


@dataclass(frozen=True)
class Part:
    """One part, by the files that tell of it."""

    name: str
    file: Path
    log: Path

    @classmethod
    def of(cls, places: Places, name: str) -> "Part":
        """The part of that name in one installation."""
        return cls(name, places.run / f"{name}.json", places.log / f"{name}.log")

    def read(self) -> Record | None:
        """What was noted; None when nothing was, or when it cannot be read."""
        try:
            noted = json.loads(self.file.read_text())
            process = Process(**noted["process"]) if noted["process"] else None
            return Record(process, {str(name): str(value) for name, value in noted["facts"].items()})
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    @property
    def process(self) -> Process | None:
        """The running process."""
        record = self.read()
        return record.process if record and record.process and record.process.is_alive else None

    def fact(self, name: str) -> str:
        """One noted fact, empty when it was not noted."""
        record = self.read()
        return record.facts.get(name, "") if record else ""

    def note(self, process: Process | None, **facts: str) -> None:
        """Note it, whole or not at all."""
        text = json.dumps({"process": asdict(process) if process else None, "facts": facts}, indent=2)
        fresh = self.file.with_suffix(".new")
        fresh.write_text(text + "\n")
        fresh.rename(self.file)

    def start(self, command: Sequence[str], *, prefix: Sequence[str] = (), **facts: str) -> "Starting":
        """Start the command in the background and note it."""
        self.log.touch(0o600)
        offset = self.log.stat().st_size
        process = identify(background.start(command, self.log, prefix=prefix))
        self.note(process, **facts)
        return Starting(self, process, offset)

    def stop(self, kill: Kill, timeout: float) -> bool:
        """End the process; whether there was one. HyperSDKError when it cannot be ended."""
        process = self.process
        if process is None:
            return False
        if not end(process, kill, timeout):
            raise HyperSDKError(f"{self.name} (pid {process.pid}) does not end; see {self.log}")
        return True


@dataclass(frozen=True)
class Starting:
    """A part that was just started, and where its new log begins."""

    part: Part
    process: Process | None
    offset: int

    def output(self) -> str:
        """What it has written since its start."""
        with self.part.log.open("rb") as file:
            file.seek(self.offset)
            return file.read().decode(errors="replace")

    def await_answer(self, ask: Callable[[], str], timeout: float, tell: Tell) -> str:
        """What `ask` says once it says something; HyperSDKError with the end of the log when the part fails."""
        deadline = time.monotonic() + timeout
        while not (answer := ask()):
            if self.process is None or not self.process.is_alive:
                raise HyperSDKError(f"{self.part.name} ended at once:\n{self._excuse()}")
            if time.monotonic() > deadline:
                raise HyperSDKError(f"{self.part.name} is not ready after {timeout:.0f} s:\n{self._excuse()}")
            tell("starting")
            time.sleep(_POLL_S)
        return answer

    def await_ready(self, timeout: float, tell: Tell) -> str:
        """Its `ready` line; a part that does not get there is stopped, so that the next try begins anew."""
        try:
            return self.await_answer(self.ready_line, timeout, tell)
        except HyperSDKError:
            self.part.stop(plain_kill, _STOP_TIMEOUT_S)
            raise

    def ready_line(self) -> str:
        """The line that begins with `ready`, once it has been written."""
        lines = self.output().splitlines()
        return next((line for line in lines if line == "ready" or line.startswith("ready ")), "")

    def _excuse(self) -> str:
        last = self.output().strip().splitlines()[-_LOG_LINES:]
        return "\n".join([*(f"    {line}" for line in last), f"  The whole log is {self.part.log}"])
