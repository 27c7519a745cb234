"""Which bytes continue a console's history when its port was just opened: from the log, the stream, or both? Pure.

The log is read after the port was opened. What it has up to the moment before is certain; behind that, the stream
repeats some of it, and is held back until it is known how much.
"""

from dataclasses import dataclass

from controller.gateway.seam import is_settled, resumption, unseen
from controller.gateway.serial_log import Place, Tail


@dataclass(frozen=True)
class Seen:
    """How far a console's history goes."""

    end: bytes = b""
    """Its last bytes; empty when there is no history yet."""
    place: Place | None = None
    """Where they end in the log, by counting."""
    boot_ended: bool = False
    """Whether the domain was seen off since: the log may have begun anew."""


@dataclass(frozen=True)
class Splice:
    """A port that was just opened, against its log."""

    certain: bytes
    """What comes next, whatever the stream says."""
    overlap: bytes
    """What the log has further; the stream begins somewhere in it."""
    place: Place | None
    """Where the overlap begins in the log; None when there is no log."""
    is_whole: bool
    """Whether nothing is missing before the certain part."""

    def is_settled(self, live: bytes) -> bool:
        """Whether enough of the stream is there to tell where it begins."""
        return is_settled(self.overlap, live)

    def join(self, live: bytes) -> tuple[bytes, bytes]:
        """What follows the certain part, and what of it the stream will still repeat."""
        return unseen(self.overlap, live)


def splice(tail: Tail, before: Place | None, seen: Seen) -> Splice:
    """Split the log's tail into what is old, what is certain (up to `before`), and what the stream may repeat."""
    size = len(tail.data)
    start, is_whole = _continuation(tail, seen)
    split = max(min(tail.index(before) or 0, size), start)
    end = tail.end
    place = Place(end.inode, end.offset - size + split) if end else None
    return Splice(tail.data[start:split], tail.data[split:], place, is_whole)


def _continuation(tail: Tail, seen: Seen) -> tuple[int, bool]:
    """Where in the tail the unseen begins, and whether nothing is missing before it."""
    if not seen.end or tail.current is None:
        return tail.first_line, True
    guess = tail.index(seen.place)
    if guess is not None and guess > len(tail.data) and not seen.boot_ended:
        return guess, True  # the log lags behind the stream
    found = resumption(tail.data, seen.end, guess)
    if found is not None and (found == guess or not seen.boot_ended):
        return found, True
    return tail.first_line, seen.boot_ended
