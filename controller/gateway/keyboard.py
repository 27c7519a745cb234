"""What was typed and not yet taken by the guest? Bounded: a guest that does not read holds its writer up."""

import asyncio

LIMIT = 64 * 1024
PATIENCE_S = 5.0
"""How long a writer waits for room. Longer, and its connection counts as dead, because nobody answers its pings."""
CHUNK = 1024


class Keyboard:
    """Typed bytes on their way into one serial port."""

    def __init__(self, limit: int = LIMIT, patience_s: float = PATIENCE_S) -> None:
        self._pending = bytearray()
        self._limit = limit
        self._patience_s = patience_s
        self._changed = asyncio.Condition()
        self._drops = 0

    def __len__(self) -> int:
        return len(self._pending)

    async def press(self, data: bytes) -> bool:
        """Put bytes in, waiting for room; False when they were dropped, because none came or because of `drop`."""
        drops = self._drops
        for start in range(0, len(data), CHUNK):
            if not await self._put(data[start : start + CHUNK], drops):
                return False
        return True

    async def take(self) -> bytes:
        """The next bytes for the guest; waits for ever, because people may type nothing for ever."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._pending)
            chunk = bytes(self._pending[:CHUNK])
            del self._pending[:CHUNK]
            self._changed.notify_all()
        return chunk

    async def drop(self) -> None:
        """Forget what is pending and whoever waits to add to it."""
        async with self._changed:
            self._drops += 1
            self._pending.clear()
            self._changed.notify_all()

    async def _put(self, piece: bytes, drops: int) -> bool:
        async with self._changed:
            try:
                async with asyncio.timeout(self._patience_s):
                    await self._changed.wait_for(lambda: self._drops != drops or self._has_room(piece))
            except TimeoutError:
                return False
            if self._drops != drops:
                return False
            self._pending += piece
            self._changed.notify_all()
        return True

    def _has_room(self, piece: bytes) -> bool:
        return len(self._pending) + len(piece) <= self._limit
