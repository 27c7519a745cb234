"""One object as YAML, live: what a row of a list opens when it stands for itself, such as a node."""

from typing import ClassVar, Generic

from textual.app import ComposeResult
from textual.binding import BindingType

from hypersdk.plaintext import plain
from tui.cells import Key
from tui.changes import Changes
from tui.commands import View, bindings
from tui.listing import Listing, R
from tui.manifest import manifest
from tui.screens.searching import SearchingScreen
from tui.tone import Span, Tone, line
from tui.widgets.bar import Bar
from tui.widgets.lines import Lines
from tui.workspace import Workspace


class ManifestScreen(SearchingScreen, Generic[R]):
    """The object's YAML; it stays readable when the object or the connection is gone."""

    VIEW = View.PAGE
    CSS_PATH = "manifest.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(View.PAGE)]

    def __init__(self, workspace: Workspace, listing: Listing[R], key: Key) -> None:
        super().__init__(workspace)
        self._listing = listing
        self._key = key

    def compose(self) -> ComposeResult:
        """Title, banner, text, keys."""
        yield Bar(id="title")
        yield Bar(id="banner")
        yield Lines(id="yaml")
        yield self.search_line()
        yield Bar(id="keys")

    def on_mount(self) -> None:
        """Show, and keep the age of what is shown."""
        self.query_one("#yaml", Lines).focus()
        self._show_keys()
        self.every(1.0, self._show_banner)
        self._show()

    def feed_moved(self, changes: Changes) -> None:
        """Show it anew when it changed."""
        if self._key in self._listing.moved(changes):
            self._show()
        self._show_banner()

    def action_back(self) -> None:
        """Back to the list."""
        self.dismiss(None)

    def _show(self) -> None:
        feed = self.workspace.feed
        item = self._listing.cache(feed).get(*self._key) if feed else None
        title = [Span(f" {plain(self._key[1])}", Tone.STRONG), Span(f"  {plain(self._key[0])}", Tone.DIM)]
        if item is None:
            title.append(Span("it does not exist any more; this is the last that was seen of it", Tone.BAD))
        else:
            words = plain(self._listing.says(item))
            head = [line(Span(words, Tone.ACCENT)), line()] if words else []
            self.query_one("#yaml", Lines).show([*head, *manifest(item)])
        self.query_one("#title", Bar).show(tuple(title))
