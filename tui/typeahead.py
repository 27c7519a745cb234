"""Keys typed ahead: each waits until the one before has had its effect.

Textual hands a key to whatever has the focus when it arrives. Over a slow link `/`, `w`, `e`, `b` arrive in one burst,
and the last three would still go to the list, where they may be verbs, before the filter has the focus.
"""

from collections import deque
from typing import Final

from textual import events
from textual.app import App
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

LOOK_S: Final = 0.5
"""How often it is looked whether the widget of a key whose end is not heard of has gone away."""
LOOKS: Final = 10
"""A widget that is busy for longer than so many looks holds the next keys no more."""
ROUNDS: Final = 3
"""A key's effects follow one another: Enter runs an action in the app, which sends a field's Submitted to the screen,
which asks the app to move the focus. Each of them is before a message that goes the same way for the third time."""
MOST: Final = 256
"""More keys than anybody types ahead; later ones are dropped."""


class Settled(Message):
    """Follows a key on its way from the focused widget up to the app."""

    def __init__(self, number: int, target: Widget, rounds: int = ROUNDS) -> None:
        super().__init__()
        self.number = number
        self.target = target
        self.rounds = rounds


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
        """The key has been everywhere, then what it caused; a screen that it opened may still be on its way."""
        number, target, rounds = message.number, message.target, message.rounds - 1
        if not rounds or not target.post_message(Settled(number, target, rounds)):
            self.screen.call_after_refresh(self._release, number)

    async def _take(self, event: events.Key) -> None:
        target = self.focused or self.screen
        taken_in_place = _takes_in_place(target, event)
        await super().on_event(event)
        if taken_in_place:
            return
        self._number += 1
        self._look_later(self._number, target, LOOKS)
        if not target.post_message(Settled(self._number, target)):
            await self._release(self._number)

    def _look_later(self, number: int, target: Widget, looks: int) -> None:
        self.set_timer(LOOK_S, lambda: self._look(number, target, looks - 1))

    def _look(self, number: int, target: Widget, looks: int) -> None:
        """A message to a widget that has gone away never comes back."""
        if number <= self._settled:
            return
        if looks and target.is_attached:
            self._look_later(number, target, looks)
        else:
            self.run_worker(self._release(number))

    async def _release(self, number: int) -> None:
        if number <= self._settled:
            return
        self._settled = number
        while self._waiting and self._number <= self._settled:
            await self._take(self._waiting.popleft())


def _takes_in_place(target: object, event: events.Key) -> bool:
    """Whether the key changes nothing but the widget itself, so that the next one need not wait."""
    return getattr(target, "TAKES_EVERY_KEY", False) or (isinstance(target, Input) and event.is_printable)
