"""What does one person at a console get to see, and in which order?"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Final

from controller.gateway.marks import Mark
from controller.gateway.ring import Ring
from controller.gateway.words import note
from hypersdk.kube.streams import ConsoleState, Mode

FRAME = 16 * 1024
CATCH_UP = 16 * 1024
"""How much of the ring somebody gets who fell behind: some screens, and not so much that it happens again at once."""
NAME_LIMIT: Final = 64
RETURNED: Final = "what was read before cannot be found again: this is all that is kept"


@dataclass(frozen=True)
class Guest:
    """Who comes, what for, and what is to be shown first."""

    user: str
    mode: Mode = "watch"
    history: bool = True
    since: Mark | None = None
    """Where an earlier attachment ended; says more than `history`."""
    turned: Callable[[str, str], None] = lambda how, before: None
    """Told when the keyboard becomes this one's: how, and whose it was."""


class Session:
    """A place in the ring, and the state that was told last; keeps no bytes of its own, however slow its reader."""

    def __init__(self, number: int, guest: Guest, ring: Ring, mark: Callable[[int], Mark]) -> None:
        self.number = number
        self.guest = guest
        self.user = shortened(guest.user)
        self.sought = guest.since
        """The place that has to be found before there is any output."""
        self.refused = False
        self.sent = 0
        self.typed = 0
        self._ring = ring
        self._mark = mark
        self._place = ring.line_start(ring.start) if guest.history else ring.end
        self._is_marked = False
        self._note = b""
        self._state = ConsoleState()
        self._news = asyncio.Event()
        self._is_over = False

    def show(self, state: ConsoleState) -> None:
        """Tell the state; only the newest one counts."""
        if state != self._state:
            self._state = state
            self._news.set()

    def found(self, place: int | None) -> None:
        """Go on at a place that was sought; at the ring's start when nobody knows it."""
        self._place, self.sought = self._ring.start if place is None else place, None
        if place is None and self._ring.end:
            self._place = self._ring.line_start(self._ring.start)
            self._note = note(RETURNED)
        elif self._place < self._ring.start:
            self._note = self._passed(self._ring.line_start(self._ring.start))
        self._is_marked = False
        self._news.set()

    def remark(self) -> None:
        """Places can be told in the log's counting now, and what comes from it is earlier output."""
        self._is_marked = False
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
            if self._state != told or not (self._is_marked or self.sought):
                told = self._state
                yield self._marked(told)
            elif self.sought is None and (output := self._output()):
                self.sent += len(output)
                yield output
            elif self._is_over:
                return
            else:
                await self._news.wait()  # for as long as the guest is silent

    def _marked(self, state: ConsoleState) -> ConsoleState:
        """The state with this session's place, and how much is behind when it begins there."""
        if self.sought is not None:
            return state
        was_marked, self._is_marked = self._is_marked, True
        if self._note:
            return state  # a note of ours is no output: the place is told after it
        history = 0 if was_marked else self._ring.end - max(self._place, self._ring.start)
        return state.but(history=history, mark=str(self._mark(max(self._place, self._ring.start))))

    def _output(self) -> bytes:
        if self._place < self._ring.start:
            self._note = self._passed(self._ring.line_start(self._ring.end - CATCH_UP))
        if self._note:
            output, self._note = self._note, b""
            self._is_marked = False
            return output
        data = self._ring.read(self._place, FRAME)
        self._place += len(data)
        return data

    def _passed(self, place: int) -> bytes:
        """Go on at a later place, and say so."""
        lost, self._place = place - self._place, place
        return note(f"{lost} bytes skipped, this connection is too slow for them")


def shortened(user: str) -> str:
    """A user's name as others get to see it: printable, and not too long."""
    printable = "".join(c if c.isprintable() else "?" for c in user)
    return printable if len(printable) <= NAME_LIMIT else printable[: NAME_LIMIT - 1] + "…"
