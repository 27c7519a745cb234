"""How is the serial port of one domain kept open, read without loss, and typed into?"""

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import replace

from controller.gateway.keyboard import Keyboard
from controller.gateway.marks import Mark
from controller.gateway.ring import CAPACITY, Ring
from controller.gateway.seam import PROOF, Repeats
from controller.gateway.serial_log import Place, SerialLog
from controller.gateway.splice import Seen, Splice, splice
from controller.gateway.words import note
from controller.hypervisor.port import ConsoleDevice, DomainState, Hypervisor, ObservedDomain, SerialConsole
from controller.telemetry.figures import CONSOLE_BYTES
from hypersdk.errors import Terminal, Transient

_log = logging.getLogger(__name__)
SETTLE_S = 0.3
"""How long to wait for a stream to repeat what the log has already."""
FIRST_RETRY_S, LONGEST_RETRY_S = 0.1, 5.0
LAG = 64 * 1024
"""By how much virtlogd's file may be behind what a client has seen."""


class SerialLine:
    """The only reader of one port of a domain, over every end of it: power-off, libvirtd's, our own."""

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
        self._seen = Seen()
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
        log = self._seen.place
        there = Place(log.inode, log.offset - (self.ring.end - place)) if log else None
        return Mark(self._epoch, place, there)

    async def find(self, mark: Mark) -> int | None:
        """Where in the ring a client goes on, before its start when that is gone; None when nobody can tell."""
        if mark.epoch == self._epoch:
            return mark.place if mark.place <= self.ring.end else None
        tail = await asyncio.to_thread(self.log.tail, 0)
        there, ours = tail.index(mark.log), tail.index(self._seen.place)
        if there is None or ours is None or there > ours + LAG:
            return None
        return min(self.ring.end + there - ours, self.ring.end)

    async def run(self) -> None:
        """Keep the port open and read it, until cancelled."""
        retry_s = FIRST_RETRY_S
        try:
            while True:
                self._wake.clear()
                repeats = await self._open()
                if repeats is None:
                    await self._rest(retry_s)
                    retry_s = min(retry_s * 2, LONGEST_RETRY_S)
                else:
                    retry_s = FIRST_RETRY_S
                    await self._use(repeats)
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
        self._seen = replace(self._seen, boot_ended=True)
        self.has_spoken = False

    async def _open(self) -> Repeats | None:
        """Open the port and take what the log has; None when it cannot be opened now."""
        before = await asyncio.to_thread(self.log.end)
        try:
            self._port = await self._hypervisor.open_console(self._uuid, self._device)
        except (Transient, Terminal) as error:
            await self.look(str(error))
            repeats = None
        else:
            await self.look()
            repeats = await self._opened(before)
        if self._is_off and not self.trouble and not self._seen.boot_ended:
            await self._catch_up()
        self._tried.set()
        return repeats

    async def _opened(self, before: Place | None) -> Repeats:
        is_first = not self._seen.end
        joint = await self._join(before)
        if is_first and self.domain is not None and self.domain.state is DomainState.PAUSED:
            self.has_spoken = False  # before its first byte: what the log has is of earlier boots
        return Repeats(joint.output, joint.sure)

    async def _join(self, before: Place | None) -> Splice:
        """Take what the log has and the history has not."""
        tail = await asyncio.to_thread(self.log.tail, CAPACITY)
        joint = splice(tail, before, self._seen)
        if not joint.is_whole:
            _log.warning("VM %s: its serial log does not go on where the console's history ends", self._uuid)
            self.ring.append(note("some output is missing here"))
        self._keep(joint.output)
        self._seen = Seen(self._seen.end, joint.place)
        if not self.is_joined:
            self.is_joined = True
            self._changed()
        return joint

    async def _catch_up(self) -> None:
        """Take the rest of the log: a port that ends with its domain may have lost the last words."""
        await self._join(None)
        self._end_boot()

    @property
    def _is_off(self) -> bool:
        return self.domain is None or not self.domain.is_active

    async def _rest(self, seconds: float) -> None:
        """Wait until another try is worth it: for a domain that is off an event, else some seconds."""
        try:
            async with asyncio.timeout(None if self._is_off and not self.trouble else seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _use(self, repeats: Repeats) -> None:
        """Read and type until the port ends."""
        assert self._port is not None
        port = _Reader(self._port)
        try:
            async with asyncio.TaskGroup() as group:
                typist = group.create_task(self._type_into(self._port))
                await self._read(port, repeats)
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

    async def _read(self, port: "_Reader", repeats: Repeats) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + SETTLE_S
        while (data := await port.read(max(due - loop.time(), 0) if repeats.is_pending else None)) != b"":
            was_pending = repeats.is_pending
            self._keep(repeats.settle() if data is None else repeats.feed(data))
            if not was_pending:
                due = loop.time() + SETTLE_S
        self._keep(repeats.settle())

    def _keep(self, output: bytes) -> None:
        if not output:
            return
        self.ring.append(output)
        CONSOLE_BYTES.inc(len(output))
        place = self._seen.place
        moved = Place(place.inode, place.offset + len(output)) if place else None
        self._seen = replace(self._seen, end=(self._seen.end + output)[-PROOF:], place=moved)
        self._heard()
        if not self.has_spoken:
            self.has_spoken = True
            self._changed()


class _Reader:
    """A port whose reader may stop waiting without losing what comes just then."""

    def __init__(self, port: SerialConsole) -> None:
        self._port = port
        self._reading: asyncio.Task[bytes] | None = None

    async def read(self, timeout: float | None) -> bytes | None:
        """The next bytes; empty at the port's end, None when nothing came in time."""
        if self._reading is None:
            self._reading = asyncio.create_task(self._port.read())
        done, _ = await asyncio.wait({self._reading}, timeout=timeout)
        if not done:
            return None
        reading, self._reading = self._reading, None
        try:
            return reading.result()
        except Transient:
            return b""

    async def close(self) -> None:
        """Stop reading and let go of the port."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})
        await self._port.close()
