"""What does one person at a console get to see, and in which order?"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from controller.gateway.ring import Ring
from controller.gateway.words import note
from hypersdk.kube.streams import ConsoleState, Mode

FRAME = 16 * 1024
CATCH_UP = 16 * 1024
"""How much of the ring somebody gets who fell behind: some screens, and not so much that it happens again at once."""
NAME_LIMIT: Final = 64


class Session:
    """A place in the ring, and the state that was told last; keeps no bytes of its own, however slow its reader."""

    def __init__(self, number: int, user: str, mode: Mode, ring: Ring, *, history: bool) -> None:
        self.number = number
        self.user = shortened(user)
        self.mode = mode
        self._ring = ring
        self._place = ring.line_start(ring.start) if history else ring.end
        self._state = ConsoleState()
        self._news = asyncio.Event()
        self._is_over = False

    def show(self, state: ConsoleState) -> None:
        """Tell the state; only the newest one counts."""
        if state != self._state:
            self._state = state
            self._news.set()

    def wake(self) -> None:
        """There is new output in the ring."""
        self._news.set()

    def end(self) -> None:
        """The VM is gone: finish after what is there."""
        self._is_over = True
        self._news.set()

    async def messages(self) -> AsyncGenerator[bytes | ConsoleState, None]:
        """The state first and at each change, the output as far as the ring goes back; ends when the VM is gone."""
        told: ConsoleState | None = None
        while True:
            self._news.clear()
            if told is None:
                told = self._state
                yield told.but(history=self._ring.end - max(self._place, self._ring.start))
            elif self._state != told:
                told = self._state
                yield told
            elif output := self._output():
                yield output
            elif self._is_over:
                return
            else:
                await self._news.wait()  # for as long as the guest is silent

    def _output(self) -> bytes:
        if self._place < self._ring.start:
            return self._skip()
        data = self._ring.read(self._place, FRAME)
        self._place += len(data)
        return data

    def _skip(self) -> bytes:
        """Go on near the newest output, and say so."""
        place = self._ring.line_start(self._ring.end - CATCH_UP)
        lost, self._place = place - self._place, place
        return note(f"{lost} bytes skipped, this connection is too slow for them")


def shortened(user: str) -> str:
    """A user's name as others get to see it: printable, and not too long."""
    printable = "".join(c if c.isprintable() else "?" for c in user)
    return printable if len(printable) <= NAME_LIMIT else printable[: NAME_LIMIT - 1] + "…"
