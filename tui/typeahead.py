"""Keys typed ahead: each waits until the one before has had its effect.

Textual hands a key to whatever has the focus when it arrives. Over a slow link `/`, `w`, `e`, `b` arrive in one burst,
and the last three would still go to the list, where they may be verbs, before the filter has the focus.
"""

from collections import deque
from typing import Final

from textual import events
from textual.app import App
from textual.message import Message
from textual.widgets import Input

LONGEST_S: Final = 0.5
"""A key whose end is never heard of (its widget went away) holds the next ones no longer than this."""
MOST: Final = 256
"""More keys than anybody types ahead; later ones are dropped."""


class Settled(Message):
    """Follows a key on its way from the focused widget up to the app."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class TypeAheadApp(App[None]):
    """An app whose keys never overtake what they depend on."""

    _waiting: deque[events.Key]
    _number = 0
    _settled = 0

    def __init__(self, *, ansi_color: bool | None = None) -> None:
        super().__init__(ansi_color=ansi_color)
        self._waiting = deque(maxlen=MOST)

    async def on_event(self, event: events.Event) -> None:
        """Keys in order, everything else as it comes."""
        if not isinstance(event, events.Key) or event.is_forwarded:
            await super().on_event(event)
        elif self._waiting or self._number > self._settled:
            self._waiting.append(event)
        else:
            await self._take(event)

    def on_settled(self, message: Settled) -> None:
        """The key has been everywhere; a screen that it opened may still be on its way."""
        number = message.number
        self.screen.call_after_refresh(self._release, number)

    async def _take(self, event: events.Key) -> None:
        target = self.focused or self.screen
        taken_in_place = _takes_in_place(target, event)
        await super().on_event(event)
        if taken_in_place:
            return
        self._number += 1
        self.set_timer(LONGEST_S, lambda number=self._number: self.run_worker(self._release(number)))
        if not target.post_message(Settled(self._number)):
            await self._release(self._number)

    async def _release(self, number: int) -> None:
        if number <= self._settled:
            return
        self._settled = number
        while self._waiting and self._number <= self._settled:
            await self._take(self._waiting.popleft())


def _takes_in_place(target: object, event: events.Key) -> bool:
    """Whether the key changes nothing but the widget itself, so that the next one need not wait."""
    return getattr(target, "TAKES_EVERY_KEY", False) or (isinstance(target, Input) and event.is_printable)
