"""One VM's serial console, attached for as long as it is looked at: it comes back by itself after any loss."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hypersdk.errors import HyperSDKError
from hypersdk.kube.streams import ConsoleState, console_state
from tui.cells import Key
from tui.retry import keep_open
from tui.session import Link, Session


@dataclass
class Attachment:
    """Bytes of the guest go to `show` (with whether they are live), words about the link to `tell`."""

    session: Session
    key: Key
    show: Callable[[bytes, bool], Awaitable[None]]
    tell: Callable[[str, ConsoleState | None], None]
    begin: Callable[[], None]
    """Told before the history comes again."""
    link: Link | None = None

    async def run(self) -> None:
        """Stay attached until cancelled."""
        await keep_open(self._attach, lambda words: self.tell(words, None))

    async def type(self, data: bytes) -> None:
        """Send what was typed; it is lost, and said so, when nobody is there to take it."""
        if self.link is None:
            self.tell("not connected: what is typed is lost", None)
            return
        try:
            await self.link.send(data)
        except HyperSDKError as error:
            self.tell(str(error), None)

    async def _attach(self) -> bool:
        link = await self.session.console(*self.key)
        history = 0
        try:
            self.begin()
            self.link = link
            async for message in link.messages():
                if isinstance(message, bytes):
                    # A guest's old queries must not be answered again.
                    await self.show(message[:history], False)
                    await self.show(message[history:], True)
                    history = max(0, history - len(message))
                elif state := console_state(message):
                    history += state.history
                    self.tell("", state)
        finally:
            self.link = None
            await link.close()
        return True
