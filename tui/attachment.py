"""One VM's console, attached for as long as it is looked at: after any loss it goes on where it was left."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from hypersdk.errors import HyperSDKError
from hypersdk.kube.streams import ConsoleState, Control, Trail, console_state
from tui.cells import Key
from tui.retry import keep_open
from tui.session import Link, Session
from tui.typist import Typist


@dataclass
class Attachment:
    """Bytes of the guest go to `show` (with whether they are live), words about the link to `tell`."""

    session: Session
    key: Key
    show: Callable[[bytes, bool], Awaitable[None]]
    tell: Callable[[str, ConsoleState | None], None]
    begin: Callable[[], None]
    """Told before the history comes; until then what was shown before stays."""
    trail: Trail = field(default_factory=Trail)
    link: Link | None = None

    def __post_init__(self) -> None:
        self._typist = Typist(self._send, self._pasting)
        self._has_begun = False

    async def run(self) -> None:
        """Stay attached until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(keep_open(self._attach, lambda words: self.tell(words, None)))
            group.create_task(self._typist.run())

    def type(self, data: bytes) -> None:
        """Send what was typed; it is lost, and said so, when nobody is there to take it."""
        self._typist.type(data)

    def stop_typing(self) -> None:
        """Send no more of a long text."""
        if left := self._typist.drop():
            self.tell(f"{left} bytes of the text were not sent", None)

    async def control(self, what: Control) -> None:
        """Ask for the keyboard, or answer who asks."""
        try:
            if self.link is not None:
                await self.link.control({"type": what})
        except HyperSDKError as error:
            self.tell(str(error), None)

    async def _send(self, data: bytes) -> None:
        if self.link is None:
            self.tell("not connected: what is typed is lost", None)
            self._typist.drop()
            return
        try:
            await self.link.send(data)
        except HyperSDKError as error:
            self.tell(str(error), None)

    def _pasting(self, left: int) -> None:
        self.tell(f"sending the text, {left} bytes left (^] stops it)" if left else "", None)

    async def _attach(self) -> bool:
        link = await self.session.console(*self.key, self.trail)
        if not self._has_begun:
            self._has_begun = True
            self.begin()
        history = 0
        try:
            self.link = link
            async for message in link.messages():
                if isinstance(message, bytes):
                    self.trail.output(message)
                    # A guest's old queries must not be answered again.
                    await self.show(message[:history], False)
                    await self.show(message[history:], True)
                    history = max(0, history - len(message))
                elif state := console_state(message):
                    self.trail.state(state)
                    history += state.history
                    self.tell("", state)
        finally:
            self.link = None
            await link.close()
        return True
