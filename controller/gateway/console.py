"""Who is at one console of a VM, who of them may type, and what is each told?"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count

from controller.gateway.line import SerialLine
from controller.gateway.seats import Seats
from controller.gateway.serial_log import SerialLog
from controller.gateway.session import Guest, Session
from controller.gateway.words import Facts, reason
from controller.hypervisor.port import ConsoleDevice, DomainState, Hypervisor
from controller.runtime.waiting import within
from hypersdk.kube.streams import ConsoleState

_log = logging.getLogger(__name__)
TICK_S = 1.0
LOOK_EVERY_S = 5.0
ANSWER_WITHIN_S = 15
"""How long a writer who is asked for the keyboard may take to keep it."""


class Console:
    """One of a VM's consoles: the line to its port, and the sessions that share it."""

    def __init__(
        self,
        uuid: str,
        device: ConsoleDevice,
        hypervisor: Hypervisor,
        phase: Callable[[], str],
        clock: Callable[[], float],
    ) -> None:
        self.line = SerialLine(uuid, device, hypervisor, heard=self._heard, changed=self._changed)
        self._uuid = uuid
        self._device: ConsoleDevice = device
        self._phase = phase
        self._clock = clock
        self._silent_since = clock()
        self._was_open = False
        self._was_joined = False
        self._seats = Seats()
        self._answer_due = 0.0
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
    async def session(self, guest: Guest) -> AsyncIterator[Session]:
        """Attach somebody for as long as the block runs."""
        session = Session(next(self._numbers), guest, self.line.ring, self.line.mark)
        self._sessions[session.number] = session
        if guest.mode == "write":
            self._seats.join(session.number)
        self._watched.set()
        self._nudge.set()
        self.tell()
        try:
            yield session
        finally:
            del self._sessions[session.number]
            self._leave(session)

    async def take(self, session: Session) -> None:
        """Ask the writer for the keyboard; one's own, and one that nobody has, is handed over at once.

        Nothing happens for a session that may only watch, nor while somebody else asks.
        """
        writer = self._sessions.get(self._seats.writer or 0)
        if writer is None or writer.guest.user == session.guest.user:
            await self._hand_over(session, "own")
        elif self._seats.ask(session.number):
            session.refused = False
            self._answer_due = self._clock() + ANSWER_WITHIN_S
            self.tell()

    async def give(self, session: Session) -> None:
        """The writer says yes."""
        if session.number == self._seats.writer and self._seats.asker is not None:
            await self._hand_over(self._sessions[self._seats.asker], "given")

    def keep(self, session: Session) -> None:
        """The writer says no."""
        if session.number == self._seats.writer and (asker := self._seats.refuse()) is not None:
            self._sessions[asker].refused = True
            self.tell()

    async def _hand_over(self, session: Session, how: str) -> None:
        before = self._writer()
        if self._seats.take(session.number):
            session.refused = False
            await self.line.keyboard.drop()
            session.guest.turned(how, before)
            self.tell()

    def _leave(self, session: Session) -> None:
        was_writer = session.number == self._seats.writer
        self._seats.leave(session.number)
        if was_writer and (heir := self._sessions.get(self._seats.writer or 0)) is not None:
            heir.refused = False
            heir.guest.turned("left", session.user)
        self.tell()

    async def type(self, session: Session, data: bytes) -> None:
        """Type into the guest if it is this session's turn and the port is open; waits while the guest is busy."""
        if session.number != self._seats.writer or not self.line.is_open:
            return
        session.typed += len(data)
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

    def read(self, log: SerialLog) -> None:
        """Read the port from now on."""
        self.line.log = log
        self._attached.set()

    async def attach(self, log: SerialLog) -> None:
        """Read the port from now on; returns once it is open, or opening it was tried and failed."""
        self.read(log)
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
            asker=self._name(self._seats.asker),
            answer_within=ANSWER_WITHIN_S if self._seats.asker is not None else 0,
        )
        for number, session in self._sessions.items():
            is_writer = number == self._seats.writer
            asked = is_writer and self._seats.asker is not None
            session.show(common.but(writable=is_writer, asked=asked, refused=session.refused))

    def _writer(self) -> str:
        return self._name(self._seats.writer)

    def _name(self, number: int | None) -> str:
        session = self._sessions.get(number or 0)
        return session.user if session else ""

    def _facts(self) -> Facts:
        line = self.line
        silent_s = self._clock() - self._silent_since
        return Facts(
            line.domain,
            line.is_open,
            line.trouble,
            line.has_spoken,
            silent_s,
            self._phase(),
            self._device,
            line.has_looked,
        )

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
        if self.line.is_joined and not self._was_joined:
            self._was_joined = True
            self._nudge.set()
            for session in self._sessions.values():
                session.remark()
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
            await self._place_sessions()
            await self._answer_for_the_silent()
            self.tell()
            await within(self._nudge, TICK_S)

    async def _place_sessions(self) -> None:
        """Put those who come back where they were, as soon as the history is there."""
        if self.line.is_joined:
            for session in list(self._sessions.values()):
                if session.sought is not None:
                    session.found(await self.line.find(session.sought))

    async def _answer_for_the_silent(self) -> None:
        """A writer who does not answer has gone to lunch, or its connection has died."""
        if self._seats.asker is not None and self._clock() >= self._answer_due:
            await self._hand_over(self._sessions[self._seats.asker], "no answer")
