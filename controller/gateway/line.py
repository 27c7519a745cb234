"""How is the serial port of one domain kept open, read without loss, and typed into?"""

import asyncio
import logging
import secrets
from collections.abc import Callable

from controller.gateway.follower import Follower, LogStopped
from controller.gateway.keyboard import Keyboard
from controller.gateway.marks import Mark
from controller.gateway.ring import CAPACITY, Ring
from controller.gateway.serial_log import Piece, Place, SerialLog
from controller.gateway.words import note
from controller.hypervisor.port import ConsoleDevice, DomainState, Hypervisor, ObservedDomain, SerialConsole
from controller.runtime.waiting import within
from controller.telemetry.figures import CONSOLE_BYTES
from hypersdk.errors import Terminal, Transient

_log = logging.getLogger(__name__)
FIRST_RETRY_S, LONGEST_RETRY_S = 0.1, 5.0


class SerialLine:
    """The only reader of one port of a domain, over every end of it: power-off, libvirtd's, our own.

    Its output is taken from virtlogd's log; from the port itself only where there is no log, or where it has stopped.
    """

    def __init__(
        self,
        uuid: str,
        device: ConsoleDevice,
        hypervisor: Hypervisor,
        heard: Callable[[], None],
        changed: Callable[[], None],
    ) -> None:
        self.ring = Ring()
        self.log = SerialLog()
        self.keyboard = Keyboard()
        self.domain: ObservedDomain | None = None
        """The domain as it was seen last; None when it was not, or does not exist."""
        self.has_looked = False
        self.trouble = ""
        """Why the port could not be opened, or the domain not be seen; empty when all is well."""
        self.has_spoken = False
        """Whether this boot wrote anything yet."""
        self.is_joined = False
        """Whether the history has begun: with what the log has, if there is one."""
        self._epoch = secrets.token_hex(8)
        self._uuid = uuid
        self._device: ConsoleDevice = device
        self._hypervisor = hypervisor
        self._heard = heard
        self._changed = changed
        self._port: SerialConsole | None = None
        self._place: Place | None = None
        """Where in the log the history ends; None when it does not come from there."""
        self._boot_ended = False
        """Whether the domain was seen off since the last output: the log may have begun anew."""
        self._has_stopped = False
        """Whether the log of this boot does not grow any more."""
        self._wake = asyncio.Event()
        self._tried = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Whether the port is open now."""
        return self._port is not None

    def wake(self) -> None:
        """Something happened to the domain: try again now."""
        self._wake.set()

    async def opened(self) -> None:
        """Returns once the port is open, or opening it was tried and failed; the caller has the deadline."""
        if self._port is None:
            self._tried.clear()
            self._wake.set()
            await self._tried.wait()

    def mark(self, place: int) -> Mark:
        """A place in the ring as a client may come back to it."""
        log = self._place
        there = Place(log.inode, log.offset - (self.ring.end - place)) if log else None
        return Mark(self._epoch, place, there)

    async def find(self, mark: Mark) -> int | None:
        """Where in the ring a client goes on, before its start when that is gone; None when nobody can tell."""
        if mark.epoch == self._epoch:
            return mark.place if mark.place <= self.ring.end else None
        tail = await asyncio.to_thread(self.log.tail, 0)
        there, ours = tail.index(mark.log), tail.index(self._place)
        if there is None or ours is None or there > ours:
            return None
        return self.ring.end + there - ours

    async def run(self) -> None:
        """Keep the port open and read it, until cancelled."""
        retry_s = FIRST_RETRY_S
        try:
            while True:
                self._wake.clear()
                if (port := await self._open()) is None:
                    await self._rest(retry_s)
                    retry_s = min(retry_s * 2, LONGEST_RETRY_S)
                else:
                    retry_s = FIRST_RETRY_S
                    await self._use(port)
        finally:
            if self._port is not None:
                await self._port.close()

    async def look(self, trouble: str = "") -> None:
        """See what the domain does; with the port's trouble, if there is one."""
        try:
            domain = await self._hypervisor.observe(self._uuid)
        except (Transient, Terminal) as error:
            self.trouble = str(error)
        else:
            self._saw(domain)
            self.trouble = "" if self._is_off else trouble
        self._changed()

    def _saw(self, domain: ObservedDomain | None) -> None:
        before, self.domain, self.has_looked = self.domain, domain, True
        if domain is None or not domain.is_active:
            return
        if before is None or not before.is_active:
            self.wake()
        elif before.pid != domain.pid:
            self._end_boot()

    def _end_boot(self) -> None:
        self._boot_ended, self.has_spoken = True, False

    async def _open(self) -> SerialConsole | None:
        """Open the port and take what the log has; None when it cannot be opened now."""
        try:
            self._port = await self._hypervisor.open_console(self._uuid, self._device)
        except (Transient, Terminal) as error:
            await self.look(str(error))
        else:
            await self.look()
            await self._opened()
        if self._is_off and not self.trouble and not self._boot_ended:
            await self._join()
            self._end_boot()
        self._tried.set()
        return self._port

    async def _opened(self) -> None:
        is_first = not self.is_joined
        await self._join()
        if is_first and self.domain is not None and self.domain.state is DomainState.PAUSED:
            self.has_spoken = False  # before its first byte: what the log has is of earlier boots

    async def _join(self) -> None:
        """Take what the log has and the history has not."""
        if self._has_stopped:
            await self._skip()
        elif self._place is None:
            tail = await asyncio.to_thread(self.log.tail, CAPACITY)
            self._keep(tail.data[tail.first_line :], tail.end)
        else:
            while (piece := await asyncio.to_thread(self.log.after, self._place, CAPACITY)).data:
                self._take(piece)
        if not self.is_joined:
            self.is_joined = True
            self._changed()

    async def _skip(self) -> None:
        """The log of this boot has stopped; that of the next one begins where it ends now."""
        if self._boot_ended:
            self._has_stopped, self._place = False, await asyncio.to_thread(self.log.end)

    def _take(self, piece: Piece) -> None:
        if piece.is_anew and not self._boot_ended:
            _log.warning("VM %s: its serial log does not go on where the console's history ends", self._uuid)
            self.ring.append(note("some output is missing here"))
        self._keep(piece.data, piece.place)

    @property
    def _is_off(self) -> bool:
        return self.domain is None or not self.domain.is_active

    async def _rest(self, seconds: float) -> None:
        """Wait until another try is worth it: for a domain that is off an event, else some seconds."""
        await within(self._wake, None if self._is_off and not self.trouble else seconds)

    async def _use(self, port: SerialConsole) -> None:
        """Read and type until the port ends."""
        try:
            async with asyncio.TaskGroup() as group:
                typist = group.create_task(self._type_into(port))
                if self._place is None:
                    await self._listen(port, None)
                else:
                    follower = Follower(self.log, self._place)
                    group.create_task(self._follow(follower))
                    await self._listen(port, follower)
                    follower.end()
                typist.cancel()
        finally:
            await port.close()
            self._port = None
        await self.keyboard.drop()
        await self.look()

    async def _type_into(self, port: SerialConsole) -> None:
        try:
            while True:
                await port.write(await self.keyboard.take())
        except Transient:
            return  # the reader sees the port's end too

    async def _listen(self, port: SerialConsole, follower: Follower | None) -> None:
        try:
            while data := await port.read():
                if follower is None or self._has_stopped:
                    self._keep(data, None)
                else:
                    follower.hear(data)
        except Transient as error:
            _log.debug("VM %s: its port has ended: %s", self._uuid, error)

    async def _follow(self, follower: Follower) -> None:
        try:
            while (piece := await follower.next()) is not None:
                self._take(piece)
        except LogStopped as stopped:
            _log.warning("VM %s: %s; its console is read from the port alone", self._uuid, stopped)
            self._has_stopped = True
            self._keep(stopped.output, None)

    def _keep(self, output: bytes, place: Place | None) -> None:
        """What follows the history, and where it ends in the log."""
        self._place = place
        if not output:
            return
        self.ring.append(output)
        self._boot_ended = False
        CONSOLE_BYTES.inc(len(output))
        self._heard()
        if not self.has_spoken:
            self.has_spoken = True
            self._changed()
