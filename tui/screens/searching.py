"""A screen with text to search: a line at the bottom takes the words, the widget that asked shows them."""

from textual import on
from textual.widgets import Input

from tui.screens.base import ConsoleScreen
from tui.search import Searchable, SearchAsked


class SearchingScreen(ConsoleScreen):
    """Its `compose` yields `search_line()` where the words are to be typed."""

    _searched: Searchable | None = None

    def search_line(self) -> Input:
        """Hidden until somebody asks for it."""
        return Input(placeholder="search", id="search", compact=True)

    @on(SearchAsked)
    def _search_asked(self, event: SearchAsked) -> None:
        self._searched = event.widget
        self.add_class("-searching")
        self.query_one("#search", Input).focus()

    @on(Input.Submitted, "#search")
    def _words_typed(self, event: Input.Submitted) -> None:
        self.remove_class("-searching")
        if self._searched is None:
            return
        self._searched.focus()
        if event.value and not self._searched.search(event.value):
            self.notify(f"{event.value!r} is not to be found", severity="warning", markup=False)
