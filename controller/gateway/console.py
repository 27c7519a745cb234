"""Who is at the serial console of one VM, who of them may type, and what is each told?"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count

from controller.gateway.line import SerialLine
from controller.gateway.seats import Seats
from controller.gateway.serial_log import SerialLog
from controller.gateway.session import Session
from controller.gateway.words import Facts, reason
from controller.hypervisor.port import DomainState, Hypervisor
from hypersdk.kube.streams import ConsoleState, Mode

_log = logging.getLogger(__name__)
TICK_S = 1.0
LOOK_EVERY_S = 5.0


class Console:
    """One VM's console: the line to its serial port, and the sessions that share it."""

    def __init__(self, uuid: str, hypervisor: Hypervisor, phase: Callable[[], str], clock: Callable[[], float]) -> None:
        self.line = SerialLine(uuid, hypervisor, heard=self._heard, changed=self._changed)
        self._uuid = uuid
        self._phase = phase
        self._clock = clock
        self._silent_since = clock()
        self._was_open = False
        self._seats = Seats()
        self._sessions: dict[int, Session] = {}
        self._numbers = count(1)
        self._watched = asyncio.Event()
        self._attached = asyncio.Event()
        self._nudge = asyncio.Event()

    @property
    def is_watched(self) -> bool:
        """Whether anybody is attached."""
        return bool(self._sessions)

    @property
    def history(self) -> bytes:
        """The output as far as it is kept, from a fresh line on."""
        ring = self.line.ring
        return ring.read(ring.line_start(ring.start))

    @asynccontextmanager
    async def session(self, user: str, mode: Mode, *, history: bool) -> AsyncIterator[Session]:
        """Attach somebody for as long as the block runs."""
        session = Session(next(self._numbers), user, mode, self.line.ring, history=history)
        self._sessions[session.number] = session
        if mode == "write":
            self._seats.join(session.number)
        self._watched.set()
        self.tell()
        try:
            yield session
        finally:
            del self._sessions[session.number]
            self._seats.leave(session.number)
            self.tell()

    async def take(self, session: Session) -> None:
        """Let somebody type; whoever did watches from now on. Nothing happens for a session that may only watch."""
        if self._seats.take(session.number):
            await self.line.keyboard.drop()
            self.tell()

    async def type(self, session: Session, data: bytes) -> None:
        """Type into the guest if it is this session's turn and the port is open; waits while the guest is busy."""
        if session.number != self._seats.writer or not self.line.is_open:
            return
        if not await self.line.keyboard.press(data):
            _log.info("input for the console of VM %s was dropped: its guest does not read", self._uuid)

    def end(self) -> None:
        """The VM is gone: let everybody go."""
        for session in self._sessions.values():
            session.end()

    async def run(self) -> None:
        """Read the port and keep everybody told, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read())
            group.create_task(self._keep_telling())

    def wake(self) -> None:
        """Something happened to the domain: look again now."""
        self.line.wake()
        self._nudge.set()

    async def attach(self, log: SerialLog) -> None:
        """Read the port from now on; returns once it is open, or opening it was tried and failed."""
        self.line.log = log
        self._attached.set()
        await self.line.opened()

    async def _read(self) -> None:
        # Not before the log is known: the history could not be put before what the stream brings.
        await self._attached.wait()
        await self.line.run()

    def tell(self) -> None:
        """Tell every session how things are now."""
        facts = self._facts()
        common = ConsoleState(
            connected=facts.connected,
            writer=self._writer(),
            watchers=len(self._sessions),
            reason=reason(facts),
        )
        for number, session in self._sessions.items():
            session.show(common.but(writable=number == self._seats.writer))

    def _writer(self) -> str:
        writer = self._sessions.get(self._seats.writer or 0)
        return writer.user if writer else ""

    def _facts(self) -> Facts:
        line = self.line
        silent_s = self._clock() - self._silent_since
        return Facts(line.domain, line.is_open, line.trouble, line.has_spoken, silent_s, self._phase())

    def _heard(self) -> None:
        domain = self.line.domain
        if domain is not None and domain.state is DomainState.PAUSED:
            self._nudge.set()  # not any more
        for session in self._sessions.values():
            session.wake()

    def _changed(self) -> None:
        if self.line.is_open and not self._was_open:
            self._silent_since = self._clock()
        self._was_open = self.line.is_open
        self.tell()

    async def _keep_telling(self) -> None:
        """Time passes: silence grows, and a domain may change without an event. Only while somebody watches."""
        look_at = 0.0
        while True:
            if not self._sessions:
                self._watched.clear()
                await self._watched.wait()  # for ever: nobody is there to be told
                look_at = 0.0
            if self._nudge.is_set() or self._clock() >= look_at:
                self._nudge.clear()
                await self.line.look(self.line.trouble)
                look_at = self._clock() + LOOK_EVERY_S
            self.tell()
            await _within(self._nudge, TICK_S)


async def _within(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
