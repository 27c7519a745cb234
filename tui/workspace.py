"""What every screen of one running console shares: the session, the feed, the journal, the keys; nothing of Textual."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from hypersdk.kube.cache import Health
from tui.columns import USUAL
from tui.glyphs import Glyphs
from tui.journal import Journal
from tui.keymap import Keymap
from tui.options import Options

if TYPE_CHECKING:
    from tui.feed import Feed
    from tui.session import Session

ALL = ""
"""The namespace that stands for all of them."""


@dataclass
class Workspace:
    """The console's own state; only the app changes it."""

    options: Options
    glyphs: Glyphs
    keymap: Keymap
    journal: Journal
    now: Callable[[], datetime]
    clock: Callable[[], float]
    """The event loop's time, which caches are stamped with."""
    session: "Session | None" = None
    feed: "Feed | None" = None
    namespace: str = ALL
    problem: str = ""
    """Why there is no session yet; empty while one is being made."""
    columns: Sequence[str] = USUAL
    """The columns of the VM list."""

    @property
    def where(self) -> str:
        """The namespace for people."""
        return self.namespace or "all namespaces"

    @property
    def read_only(self) -> bool:
        """Whether nothing may be changed: by the flag, or in this context."""
        return self.options.read_only or (self.session is not None and self.session.context in self.options.guarded)

    def stale(self) -> str:
        """For how long the list was not fed, and why; empty while it is live or never came."""
        if self.feed is None or (age := self.feed.stale_for(self.clock())) is None:
            return ""
        return f"stale {age:.0f} s: {self.feed.vms.error}"

    def refusal(self) -> str:
        """Why nothing can be changed now; empty when it can."""
        if self.options.read_only:
            return "this console was started with --read-only"
        if self.session is not None and self.read_only:
            return f"the context {self.session.context} is read-only in console.toml"
        if self.session is None or self.feed is None:
            return f"there is no connection yet{': ' if self.problem else ''}{self.problem}"
        if self.feed.vms.health is not Health.LIVE:
            return self.stale() or f"the VM list has not come yet: {self.feed.vms.error or 'loading'}"
        return ""
