"""What of a serial log continues a console's history? Pure."""

from dataclasses import dataclass

from controller.gateway.seam import resumption
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
    """What the log adds to a history."""

    output: bytes
    sure: int
    """Where in `output` the bytes begin that came after a given place, or its end."""
    place: Place | None
    """Where the output ends in the log; None when there is no log."""
    is_whole: bool
    """Whether nothing is missing before it."""


def splice(tail: Tail, before: Place | None, seen: Seen) -> Splice:
    """What follows the history in the log's tail, and what of it came after `before`."""
    size = len(tail.data)
    start, is_whole = _continuation(tail, seen)
    sure = max(min(tail.index(before) or 0, size) - start, 0)
    end = tail.end
    place = Place(end.inode, end.offset + max(start - size, 0)) if end else None
    return Splice(tail.data[start:], sure, place, is_whole)


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
