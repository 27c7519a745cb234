"""What every full screen of the console has in common: the workspace, word of changes, and asking before doing."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, TypeVar

from textual.binding import BindingType
from textual.screen import Screen

from hypersdk.plaintext import plain
from hypersdk.verbs.table import verb
from hypersdk.verbs.verb import Danger, Deed, Values
from tui.cells import Key
from tui.changes import Changes
from tui.commands import View, bindings, commands
from tui.journal import Entry
from tui.tone import Line, Span, Tone
from tui.widgets.bar import Bar
from tui.workspace import Workspace

if TYPE_CHECKING:
    from hypersdk.model.base import Resource
    from hypersdk.model.virtualmachine import VirtualMachine

R = TypeVar("R", bound="Resource")
LAST = 2


class ConsoleScreen(Screen[None]):
    """A full screen; the app tells it of changes, and it tells the app nothing but actions."""

    VIEW: ClassVar[View] = View.ANYWHERE
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(View.ANYWHERE)]

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self.workspace = workspace
        self._missed = Changes()

    def hear(self, changes: Changes) -> None:
        """Show changes now, or keep them for when this screen is seen again: painting below another costs bytes."""
        if self.is_covered:
            self._missed |= changes
        else:
            self.feed_moved(changes)

    @property
    def is_covered(self) -> bool:
        """Whether another full screen is above this one, or it is not shown yet or no more; a dialog covers none."""
        if not self.is_mounted:
            return True  # it is on the stack before it has anything to show changes with; when it has, it resumes
        stack = self.app.screen_stack
        if self not in stack:
            return True  # a timer of a screen that was just left may still come
        return any(isinstance(screen, ConsoleScreen) for screen in stack[stack.index(self) + 1 :])

    def every(self, seconds: float, show: Callable[[], None]) -> None:
        """Show something again and again, as long as it is seen."""
        self.set_interval(seconds, lambda: None if self.is_covered else show())

    def on_screen_suspend(self) -> None:
        """What popped up would lie over the dialog or the page that is opened."""
        self._clear_popups()

    def on_screen_resume(self) -> None:
        """Seen again: show what was missed."""
        missed, self._missed = self._missed, Changes()
        self.feed_moved(missed)

    def start_over(self) -> None:
        """Another namespace: nothing that is shown holds."""

    def feed_moved(self, changes: Changes) -> None:
        """The caches changed, or only their health did."""

    def journal_moved(self, entry: Entry) -> None:
        """Something that was asked for got further."""

    def targets(self) -> list["VirtualMachine"]:
        """The VMs that a verb would be done to."""
        return []

    def subject(self) -> "VirtualMachine | None":
        """The one VM that a question would be about."""
        return next(iter(self.targets()), None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Read-only mode leaves out what changes anything."""
        return not (self.workspace.read_only and action in {"verb", "create", "deed"})

    def action_verb(self, id: str) -> None:
        """Do a verb to the targets, after asking as its danger demands."""
        if vms := self.targets():
            self.ask(id, vms)

    def ask(self, id: str, vms: Sequence["VirtualMachine"]) -> None:
        """Do a verb to these VMs, after asking as its danger demands."""
        self.ask_for(verb(id), vms)

    def ask_for(self, doing: Deed[R], items: Sequence[R]) -> None:
        """Do something to these objects, after asking as its danger demands."""
        able = [one for one in items if doing.applies(one)]
        if reason := self.workspace.refusal() or ("" if able else doing.refusal(items[0])):
            self.notify(f"{doing.title} refused: {reason}", severity="warning", markup=False)
        elif doing.danger is Danger.NONE and len(items) == 1:
            self._do(doing, able, {})
        else:
            from tui.offers import Offers
            from tui.screens.confirm import ConfirmScreen

            self._clear_popups()  # or it would stay beside the question
            refused = [doing.refusal(one) for one in items if not doing.applies(one)]
            dialog = ConfirmScreen(doing, able, refused, self.workspace.keymap, Offers(self.workspace.feed, able))
            self.app.push_screen(dialog, lambda values: self._answered(doing, able, values))

    def action_why(self) -> None:
        """Tell why the VM is not well, and offer what helps."""
        from tui.screens.why import WhyScreen

        if (vm := self.subject()) is not None:
            key = vm.key
            self.app.push_screen(WhyScreen(self.workspace, key), lambda id: self._mend(key, id))

    def _mend(self, key: Key, id: str | None) -> None:
        feed = self.workspace.feed
        vm = feed.vms.get(*key) if feed else None
        if id is not None and vm is not None:
            self.ask(id, [vm])

    def on_resize(self) -> None:
        """Another width has room for other keys."""
        self._show_keys()

    def _clear_popups(self) -> None:
        if self.app._notifications:  # where nothing has popped up, the screen is left as it is
            self.app.clear_notifications()

    def _show_banner(self) -> None:
        """For how long nothing was heard of the API; no banner while it answers."""
        stale = self.workspace.stale()
        self.set_class(bool(stale), "-stale")
        self.query_one("#banner", Bar).show((Span(f" {self.workspace.glyphs.failed} {plain(stale)}", Tone.BAD),))

    def _show_keys(self) -> None:
        self.query_one("#keys", Bar).show(self._key_hints())

    def _key_hints(self) -> Line:
        """The keys of this screen that are worth a place at the bottom."""
        keymap, read_only = self.workspace.keymap, self.workspace.read_only
        hints = [one for one in commands(self.VIEW, View.ANYWHERE, read_only=read_only) if one.hint]
        return hint_line([(keymap.shown(one.id), one.title) for one in hints], self.app.size.width)

    def _answered(self, doing: Deed[R], able: Sequence[R], values: Values | None) -> None:
        if values is None:
            return
        if reason := self.workspace.refusal():
            self.notify(f"{doing.title} refused: {reason}", severity="warning", markup=False)
        else:
            self._do(doing, able, values)

    def _do(self, doing: Deed[R], able: Sequence[R], values: Values) -> None:
        session = self.workspace.session
        assert session is not None
        for one in able:
            work = self.workspace.journal.do(session, doing, one, values)
            self.app.run_worker(work, name=f"{doing.id} {one.metadata.name}", group="verbs", exclusive=False)


def hint_line(hints: Sequence[tuple[str, str]], width: int) -> Line:
    """Keys and what they do, as many as fit; the last ones, help and quit, always do."""
    room = width - sum(_length(hint) for hint in hints[-LAST:])
    shown = []
    for hint in hints[:-LAST]:
        room -= _length(hint)
        if room < 0:
            break
        shown.append(hint)
    gap = "  " if room > len(shown) + LAST else " "
    spans: list[Span] = []
    for key, title in [*shown, *hints[-LAST:]]:
        spans += [Span(f" {key}", Tone.ACCENT), Span(f" {title}{gap[1:]}", Tone.DIM)]
    return tuple(spans)


def _length(hint: tuple[str, str]) -> int:
    return len(hint[0]) + len(hint[1]) + 2
