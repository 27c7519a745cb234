"""What a list says when it has no rows to show: loading, empty, nothing matches, or an error."""

from typing import Final

from hypersdk.kube.cache import Health
from hypersdk.plaintext import plain
from tui.listing import Listing, R
from tui.tone import Line, Span, Tone, line
from tui.workspace import Workspace

MADE_BY: Final = {
    "VMs": ("vm.create", "creates one"),
    "snapshots": ("vm.snapshot", "on a VM takes one"),
    "templates": ("vm.make-template", "on a VM that is off makes one"),
    "backups": ("vm.back-up", "on a VM makes one"),
    "restores": ("backup.restore", "on a backup makes one"),
    "schedules": ("", "'hyperctl k8s apply -f' makes one (docs/tasks/backup.md)"),
}
"""By what is listed: the command that makes one, and what its key does."""


def notice(workspace: Workspace, listing: Listing[R], shown: int, typed: str) -> list[Line]:
    """The words in the place of the rows; empty when there are rows."""
    feed = workspace.feed
    if feed is None:
        return _connecting(workspace)
    cache = listing.cache(feed)
    if shown:
        return []
    if cache.health is Health.LOADING:
        return _loading(workspace, listing.word, cache.error)
    if len(cache):
        ways = f"{listing.counted(len(cache))} hidden by it; {workspace.keymap.shown('view.unmark')} clears it."
        return _words(f"No {listing.one} matches {typed!r}.", ways)
    return _empty(workspace, listing)


def _connecting(workspace: Workspace) -> list[Line]:
    if not workspace.problem:
        return _words("Connecting …")
    return [
        line(Span("There is no connection.", Tone.BAD)),
        line(),
        line(plain(workspace.problem)),
        line(),
        line(Span("Trying again every few seconds.", Tone.DIM)),
    ]


def _loading(workspace: Workspace, word: str, error: str) -> list[Line]:
    if not error:
        return _words(f"Loading the {word} of {workspace.where} …")
    return [
        line(Span(f"The {word} cannot be listed.", Tone.BAD)),
        line(),
        line(plain(error)),
        line(),
        line(Span("Trying again by itself. 'hyperctl status' shows the parts of a local stack.", Tone.DIM)),
    ]


def _empty(workspace: Workspace, listing: Listing[R]) -> list[Line]:
    keys = workspace.keymap
    command, words = MADE_BY.get(listing.word, ("", ""))
    make = [f"{keys.shown(command)} {words}".lstrip()] if words and not workspace.read_only else []
    ways = "; ".join([*make, f"{keys.shown('view.namespace')} switches the namespace"])
    return _words(f"There are no {listing.word} in {workspace.where}.", f"{ways}.")


def _words(first: str, *rest: str) -> list[Line]:
    return [line(Span(first, Tone.STRONG)), line(), *(line(Span(one, Tone.DIM)) for one in rest)]
