"""What the VM list says when it has no rows to show: loading, empty, nothing matches, or an error."""

from hypersdk.kube.cache import Health
from hypersdk.plaintext import plain
from tui.tone import Line, Span, Tone, line
from tui.workspace import Workspace


def notice(workspace: Workspace, shown: int, typed: str) -> list[Line]:
    """The words in the place of the rows; empty when there are rows."""
    feed = workspace.feed
    if feed is None:
        return _connecting(workspace)
    if feed.vms.health is Health.LOADING:
        return _loading(workspace, feed.vms.error)
    if shown:
        return []
    if len(feed.vms):
        hidden = f"{len(feed.vms)} VM{'s' if len(feed.vms) > 1 else ''} hidden by it"
        return _words(f"No VM matches {typed!r}.", f"{hidden}; {workspace.keymap.shown('view.unmark')} clears it.")
    return _empty(workspace)


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


def _loading(workspace: Workspace, error: str) -> list[Line]:
    if not error:
        return _words(f"Loading the VMs of {workspace.where} …")
    return [
        line(Span("The VMs cannot be listed.", Tone.BAD)),
        line(),
        line(plain(error)),
        line(),
        line(Span("Trying again by itself. 'hyperctl status' shows the parts of a local stack.", Tone.DIM)),
    ]


def _empty(workspace: Workspace) -> list[Line]:
    keys = workspace.keymap
    create = [] if workspace.options.read_only else [f"{keys.shown('vm.create')} creates one"]
    ways = "; ".join([*create, f"{keys.shown('view.namespace')} switches the namespace"])
    return _words(f"There are no VMs in {workspace.where}.", f"{ways}.")


def _words(first: str, *rest: str) -> list[Line]:
    return [line(Span(first, Tone.STRONG)), line(), *(line(Span(one, Tone.DIM)) for one in rest)]
