"""What does a guest write, by virtlogd's log of it? The port's stream only says when to look, and what must still come.

The log has every byte once, whoever has the port open; it is some milliseconds behind. The stream may begin with old
bytes that the pty has kept, and leave some out when it is not read fast enough: so its bytes are counted and not shown.
"""

import asyncio
import time
from collections.abc import Callable

from controller.gateway.ring import CAPACITY
from controller.gateway.serial_log import Piece, Place, SerialLog
from controller.runtime.waiting import within

READ = 64 * 1024
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.001, 0.05
GATHER_S = 0.01
"""Between two reads of what a guest writes without a pause."""
FEW = 64
"""So few bytes are a key's echo, which comes at once…"""
AT_ONCE, OFTEN_S = 50, 0.002
"""…unless they come more often than that, and that for some time."""
SETTLE_S = 0.5
"""Once both are silent for so long, and the stream is not ahead, they are at the same byte."""
KEPT = 8192
"""More old bytes than this no pty hands out in front of new ones. Bounds the work that hostile output causes."""
IDLE_S = 30.0
"""The stream is believed to tell of everything; this is how long it is believed."""
PATIENCE_S = 2.0
"""A log that is silent for so long behind the stream does not grow any more: its virtlogd has ended."""


class LogStopped(Exception):
    """The log does not grow any more; carries what the stream has brought since."""

    def __init__(self, output: bytes) -> None:
        super().__init__("the serial log does not grow any more")
        self.output = output


class Follower:
    """Reads one log from a place on, for as long as the port that it is of stays open."""

    def __init__(self, log: SerialLog, place: Place, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._place = place
        self._clock = clock
        self._lead = Lead(clock())
        self._credit, self._read_at = float(AT_ONCE), clock()
        self._news = asyncio.Event()
        self._has_ended = False

    def hear(self, data: bytes) -> None:
        """The stream has brought this."""
        self._lead.hear(data, self._clock())
        self._news.set()

    def end(self) -> None:
        """The port has ended; what the log still gets is taken."""
        self._has_ended = True
        self._news.set()

    async def next(self) -> Piece | None:
        """The next output; None once the port has ended and the log has all. LogStopped when it does not grow."""
        pause_s = FIRST_PAUSE_S
        while True:
            self._news.clear()
            piece = await asyncio.to_thread(self._log.after, self._place, READ)
            now = self._clock()
            if piece.data or piece.is_anew:
                await self._took(piece, now)
                return piece
            if self._lead.is_unanswered(now):
                await self._doubt()
            elif self._lead.is_settled(now):
                if self._has_ended:
                    return None
                self._lead.settle()
                await within(self._news, IDLE_S)
                pause_s = FIRST_PAUSE_S
            else:
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _doubt(self) -> None:
        """The stream is ahead for long: with old bytes of the pty's, if nothing but those was heard yet."""
        output = self._lead.output
        if not self._lead.is_exact:
            log = (await asyncio.to_thread(self._log.tail, CAPACITY)).data
            output = beyond(log, self._lead.heard, len(output))
        if output:
            raise LogStopped(output)
        self._lead.settle()

    async def _took(self, piece: Piece, now: float) -> None:
        self._place = piece.place
        self._lead.written(len(piece.data), now)
        self._credit = min(self._credit + (now - self._read_at) / OFTEN_S, AT_ONCE) - 1
        self._read_at = now
        if FEW <= len(piece.data) < READ or self._credit < 0:
            await asyncio.sleep(GATHER_S)


class Lead:
    """By what the stream is ahead of the log, as far as counting tells; all times in seconds. Pure."""

    def __init__(self, opened_at: float) -> None:
        self.is_exact = False
        """Whether both were at the same byte once: before, the stream may have brought old ones."""
        self._moved_at = self._grew_at = opened_at
        self._count = 0
        """Negative when the log was first."""
        self._bytes = bytearray()

    @property
    def heard(self) -> bytes:
        """What the stream has brought since both were at the same byte, or since it was opened; its last part."""
        return bytes(self._bytes)

    @property
    def output(self) -> bytes:
        """What only the stream has."""
        return bytes(self._bytes[-self._count :]) if self._count > 0 else b""

    def hear(self, data: bytes, now: float) -> None:
        """The stream has brought this."""
        if self._count <= 0:
            self._grew_at = now  # it was not behind until now
        self._moved_at = now
        self._count += len(data)
        self._bytes += data
        del self._bytes[:-CAPACITY]

    def written(self, count: int, now: float) -> None:
        """The log has so many bytes more."""
        self._moved_at = self._grew_at = now
        self._count -= count

    def is_settled(self, now: float) -> bool:
        """Whether nothing is to be expected of the log now."""
        return self._count <= 0 and now - self._moved_at >= SETTLE_S

    def settle(self) -> None:
        """Both are at the same byte."""
        self._count, self.is_exact = 0, True
        self._bytes.clear()

    def is_unanswered(self, now: float) -> bool:
        """Whether the log should have had it long ago."""
        return self._count > 0 and now - self._grew_at >= PATIENCE_S


def beyond(log: bytes, heard: bytes, ahead: int) -> bytes:
    """What the log does not have of the bytes heard: as many as the stream is ahead, but for old ones in front of all.

    All that was heard is compared, not its new part only: a counter's zeros look like the zeros before them.
    """
    if heard in log:
        return b""
    counted = max(len(heard) - ahead, 0)
    for end in range(min(counted + KEPT, len(heard)), counted - 1, -1):
        if log.endswith(heard[max(end - KEPT, 0) : end]):
            return heard[end:]
    return heard[counted + _overlap(log, heard[counted:]) :]


def _overlap(log: bytes, heard: bytes) -> int:
    """How many of the first bytes heard are the log's last ones; the stream has left some out before them."""
    most = min(len(log), len(heard), KEPT)
    return next(size for size in range(most, -1, -1) if log.endswith(heard[:size]))
