"""How does typing reach a guest? In order; long texts in pieces, for a serial port drops what comes too fast."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

SLICE: Final = 256
"""Bytes that are sent at once: less than a tty's line of input (MAX_CANON, 255, and its end)."""
PAUSE_S: Final = 0.05
"""After each slice of a long text: 5 kB a second, half of what an emulated UART takes."""


class Typist:
    """Sends what was typed; `send` raises nothing that it does not handle itself."""

    def __init__(self, send: Callable[[bytes], Awaitable[None]], tell: Callable[[int], None]) -> None:
        self._send = send
        self._tell = tell
        """Told how many bytes of a long text are left; 0 at its end."""
        self._waiting: deque[bytes] = deque()
        self._typed = asyncio.Event()

    def type(self, data: bytes) -> None:
        """Send it after what was typed before."""
        self._waiting.append(data)
        self._typed.set()

    def drop(self) -> int:
        """Forget what was not sent yet; how many bytes that were."""
        left = self.left
        self._waiting.clear()
        return left

    @property
    def left(self) -> int:
        """Bytes that wait."""
        return sum(map(len, self._waiting))

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            self._typed.clear()
            while self._waiting:
                await self._send_next()
            await self._typed.wait()

    async def _send_next(self) -> None:
        data = self._waiting.popleft()
        is_long = len(data) > SLICE
        if is_long:
            self._waiting.appendleft(data[SLICE:])
        await self._send(data[:SLICE])
        if is_long:
            self._tell(self.left)
            await asyncio.sleep(PAUSE_S)
            if not self._waiting:
                self._tell(0)
