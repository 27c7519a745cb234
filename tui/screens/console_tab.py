"""The console of the detail: it stays attached, says who types, and does what the person asks of it."""

import shlex
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from textual.worker import WorkerCancelled

from hypersdk.kube.streams import ConsoleState, Control, Device, Trail
from tui.attachment import Attachment
from tui.cells import Key
from tui.console_words import console_line
from tui.screens.base import ConsoleScreen
from tui.session import Session
from tui.widgets.bar import Bar
from tui.widgets.serial import SerialPane

CONTROLS: Final[dict[str, Control]] = {"take": "take", "give": "give", "keep": "keep"}
NAMES: Final[dict[Device, str]] = {"serial0": "ttyS0", "console1": "hvc0"}


class ConsoleTab:
    """One VM's console on a screen."""

    def __init__(self, screen: ConsoleScreen, key: Key) -> None:
        self._screen = screen
        self._key = key
        self._device: Device = "serial0"
        self._attachment: Attachment | None = None
        self._state: ConsoleState | None = None
        self._problem = ""
        self._asks: dict[str, Callable[[], None]] = {
            "size": self._tell_size,
            "device": self._other_device,
            "raw": self._raw,
        }

    @property
    def pane(self) -> SerialPane:
        """The guest's screen."""
        return self._screen.query_one("#serial", SerialPane)

    def start(self) -> None:
        """Attach, once; it lives as long as the screen."""
        workers = self._screen.workers
        running = any(one.node is self._screen and one.group == "console" and one.is_running for one in workers)
        if self._screen.workspace.session is not None and not running:
            self._screen.run_worker(self._run(), group="console", exclusive=True)

    def type(self, data: bytes) -> None:
        """For the guest."""
        if self._attachment is not None:
            self._attachment.type(data)

    def browsed(self) -> None:
        """Keys mean something else from now on; what is left of a long text is not sent."""
        if self.pane.browsing and self._attachment is not None:
            self._attachment.stop_typing()
        self._show_words()

    def ask(self, what: str) -> None:
        """One of the pane's ASKABLE."""
        if what in CONTROLS and self._attachment is not None:
            self._screen.run_worker(self._attachment.control(CONTROLS[what]), group="keyboard", exclusive=False)
        elif what in self._asks:
            self._asks[what]()

    async def _run(self) -> None:
        session = self._screen.workspace.session
        assert session is not None
        self._say("", None)

        async def show(data: bytes, is_live: bool) -> None:
            await self.pane.feed(data, live=is_live)

        self._attachment = Attachment(session, self._key, show, self._say, self.pane.reset, Trail(self._device))
        await self._attachment.run()

    def _say(self, problem: str, state: ConsoleState | None) -> None:
        self._problem, self._state = problem, state or self._state
        self._show_words()

    def _show_words(self) -> None:
        keymap, device = self._screen.workspace.keymap, NAMES[self._device]
        words = console_line(self._key[1], device, self._problem, self._state, keymap, self.pane.browsing)
        self._screen.query_one("#console-words", Bar).show(words)

    def _tell_size(self) -> None:
        """A serial port has no way of its own to tell a guest how large the screen is."""
        emulator = self.pane.emulator
        self.type(f"stty rows {emulator.rows} columns {emulator.columns}\r".encode())
        self.pane.browsing = False

    def _other_device(self) -> None:
        self._device = "console1" if self._device == "serial0" else "serial0"
        self._state = None
        self._screen.run_worker(self._run(), group="console", exclusive=True)

    def _raw(self) -> None:
        """The whole terminal for the guest."""
        if (session := self._screen.workspace.session) is not None:
            self._screen.run_worker(self._hand_over(session), group="raw", exclusive=True)

    async def _hand_over(self, session: Session) -> None:
        """By the command line's own console; this one lets go of the keyboard first, and comes back afterwards."""
        where = ["-n", self._key[0], "--device", self._device, *session.flags()]
        command = [sys.executable, "-m", "hyperctl", "k8s", "vm", "console", self._key[1], *where]
        await self._detach()
        with self._screen.app.suspend():
            # Nothing else may write to the terminal meanwhile, so that the whole program stands still.
            code = subprocess.run(command, check=False).returncode  # noqa: ASYNC221
        self._screen.app.refresh(layout=True)
        if code:
            self._screen.notify(f"'{shlex.join(command[3:])}' ended with {code}", severity="warning", markup=False)
        self.start()

    async def _detach(self) -> None:
        for worker in [one for one in self._screen.workers if one.node is self._screen and one.group == "console"]:
            worker.cancel()
            with suppress(WorkerCancelled):
                await worker.wait()
