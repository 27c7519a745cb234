"""The application: it connects, feeds the screens, holds what they share; the models load after the first paint."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.command import Provider
from textual.message import Message
from textual.screen import ModalScreen, Screen
from textual.theme import Theme

from hypersdk.errors import HyperSDKError
from tui import garbage
from tui.changes import Changes
from tui.columns import COLUMNS
from tui.glyphs import glyphs
from tui.journal import Entry, Journal, State
from tui.keymap import DEFAULT, choose_keymap
from tui.options import Options
from tui.output import PacedApp
from tui.preferences import saved_columns
from tui.screens.base import ConsoleScreen
from tui.screens.vms import VmsScreen
from tui.workspace import Workspace

if TYPE_CHECKING:
    from tui.feed import Feed
    from tui.session import Connect, Session

AGAIN_S = 3.0
MANY = 3
"""From so many running entries on, only failures pop up; the log has them all."""


def _palette() -> type[Provider]:
    from tui.palette import Palette

    return Palette


def utcnow() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)


async def _settled(feed: "Feed") -> None:
    await feed.vms.synced.wait()
    garbage.settle()


class HypersdkApp(PacedApp):
    """The console."""

    TITLE = "HyperSDK"
    CSS_PATH = ["app.tcss", "widgets/tones.tcss", "widgets/bar.tcss", "widgets/lines.tcss", "widgets/table.tcss",
                "widgets/chart.tcss", "screens/rows.tcss"]  # fmt: skip
    COMMANDS = {_palette}
    COMMAND_PALETTE_BINDING = "ctrl+p"
    BINDINGS: ClassVar = []

    class FeedMoved(Message, bubble=False):
        """The caches changed; what changed is asked of the feed."""

        def can_replace(self, message: Message) -> bool:
            """Only the newest counts."""
            return isinstance(message, HypersdkApp.FeedMoved)

    def __init__(
        self,
        options: Options,
        connect: "Connect",
        theme: Theme,
        *,
        notices: Sequence[str] = (),
        unicode: bool = True,
        now: Callable[[], datetime] = utcnow,
    ) -> None:
        super().__init__(ansi_color=theme.ansi or None, unicode=unicode)
        self.options = options
        self._connect = connect
        self._notices = list(notices)
        self._unicode = unicode
        self._now = now
        self._workspace: Workspace | None = None
        self.animation_level = "none"
        self._begin_with(theme)

    @property
    def workspace(self) -> Workspace:
        """What the screens share."""
        assert self._workspace is not None
        return self._workspace

    def get_default_screen(self) -> Screen[None]:
        """The list, before anything is known: it is there at once, and takes keys."""
        self._workspace = self._new_workspace()
        self.set_keymap(dict(self._workspace.keymap.keys))
        return VmsScreen(self._workspace)

    def on_mount(self) -> None:
        """Go on after the first paint."""
        self.call_after_refresh(self._begin)

    async def on_unmount(self) -> None:
        """Hang up."""
        if self._workspace is not None and self._workspace.session is not None:
            await self._workspace.session.close()

    def on_hypersdk_app_feed_moved(self) -> None:
        """Hand the changes to the screens."""
        feed = self.workspace.feed
        changes = feed.take() if feed else Changes()
        for screen in self._console_screens():
            screen.hear(changes)

    async def _begin(self) -> None:
        self.run_worker(self._open(), group="session", exclusive=True)

    async def _open(self) -> None:
        """Load what a connection needs, off the event loop, and connect."""
        await asyncio.to_thread(import_module, "tui.feed")
        for words in self._notices:
            self.notify(words, severity="warning", timeout=15, markup=False)
        session = await self._connected("")
        self.workspace.session, self.workspace.problem = session, ""
        asked = "" if self.options.all_namespaces else self.options.namespace or session.namespace
        self.enter(asked)

    def go_to_context(self, name: str) -> None:
        """Show the cluster of that context from now on; what was shown of the other one goes first."""
        self.workers.cancel_group(self, "feed")
        self.workspace.feed, self.workspace.problem = None, f"connecting to {name}"
        self._start_over()
        self.run_worker(self._switch(name), group="session", exclusive=True)

    async def _switch(self, context: str) -> None:
        before, self.workspace.session = self.workspace.session, None
        if before is not None:
            await before.close()
        session = await self._connected(context)
        self.workspace.session, self.workspace.problem = session, ""
        self.enter(session.namespace)

    async def _connected(self, context: str) -> "Session":
        while True:
            try:
                return await self._connect(context)
            except HyperSDKError as error:
                self.workspace.problem = str(error)
            self.post_message(self.FeedMoved())
            await asyncio.sleep(AGAIN_S)

    def enter(self, namespace: str) -> None:
        """Show that namespace from now on."""
        from tui.feed import Feed

        session = self.workspace.session
        assert session is not None
        feed = Feed(session, namespace, lambda: self.post_message(self.FeedMoved()))
        self.workspace.namespace, self.workspace.feed = namespace, feed
        garbage.unsettle()
        self.run_worker(feed.run(), group="feed", exclusive=True)
        self.run_worker(_settled(feed), group="garbage", exclusive=True)
        self._start_over()

    def _start_over(self) -> None:
        for screen in self._console_screens():
            if screen.is_mounted:  # else it will begin with what is known by then
                screen.start_over()

    def _console_screens(self) -> list[ConsoleScreen]:
        """Those that can be told of changes; none once the console ends, for their widgets go before them."""
        if not self.is_running:
            return []
        return [screen for screen in self.screen_stack if isinstance(screen, ConsoleScreen)]

    def _new_workspace(self) -> Workspace:
        keymap, words = choose_keymap(self.options.keymap or DEFAULT, self.options.keymap_folders)
        self._notices += [words] if words else []
        journal = Journal(self._journal_moved, self._now)
        clock = asyncio.get_running_loop().time
        workspace = Workspace(self.options, glyphs(self._unicode), keymap, journal, self._now, clock)
        workspace.columns = saved_columns(self.options.config, {one.id for one in COLUMNS}) or workspace.columns
        return workspace

    def _begin_with(self, theme: Theme) -> None:
        """Take the theme before anything is styled: one set later has every style read and applied twice."""
        self.register_theme(theme)
        self.set_reactive(App.theme, theme.name)
        self.update_classes({f"-theme-{theme.name}": True, "-dark-mode": theme.dark, "-light-mode": not theme.dark})
        self._refresh_truecolor_filter(self.ansi_theme)
        self.stylesheet.set_variables(self.get_css_variables())

    def _journal_moved(self, entry: Entry) -> None:
        for screen in self._console_screens():
            screen.journal_moved(entry)
        if any(isinstance(screen, ModalScreen) for screen in self.screen_stack):
            return  # it would lie over the question that is being answered; the status line says it
        many = sum(one.state is State.RUNNING for one in self.workspace.journal.entries) > MANY
        if entry.state is State.FAILED:
            self.clear_notifications()
            self.notify(entry.words, severity="error", timeout=15, markup=False)
        elif entry.state is State.DONE and not many:
            self.clear_notifications()
            self.notify(entry.words, markup=False)
