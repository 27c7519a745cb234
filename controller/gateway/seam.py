"""Where do a serial log on disk and the live stream of the same port meet? Pure.

Both carry the same bytes. The log has all of them but may lag by a moment; the stream begins when the port is opened.
So the log is read once the port is open, and the two overlap by what the guest wrote in between.
"""

PROOF = 256
"""Bytes by which a place in the log is recognised."""
LONGEST_OVERLAP = 64 * 1024
"""What a guest can write while the log is being read; bounds the work that hostile output can cause."""


def meeting(log: bytes, live: bytes) -> int:
    """Where in `log` the stream `live` begins.

    Answers the earliest place from which both agree as far as both go: the one with the longest overlap, which has
    the most evidence for it. The end of the log always agrees, with none.
    """
    first = max(len(log) - LONGEST_OVERLAP, 0)
    return next(place for place in range(first, len(log) + 1) if log.startswith(live[: len(log) - place], place))


def is_settled(log: bytes, live: bytes) -> bool:
    """Whether more of `live` cannot change where the two meet."""
    return len(live) >= min(len(log), LONGEST_OVERLAP)


def unseen(log: bytes, live: bytes) -> tuple[bytes, bytes]:
    """What to show of both together, and what of it the stream will still repeat (nothing, if it is silent)."""
    if not live:
        return log, b""
    place = meeting(log, live)
    shown = log[place:]
    return log[:place] + max(live, shown, key=len), shown[len(live) :]


def resumption(log: bytes, seen: bytes, guess: int | None) -> int | None:
    """Where in `log` the bytes follow that come after `seen`; None when `seen` is not in it.

    `guess` is where it should be by counting; it is believed when the bytes before it are the right ones.
    """
    proof = seen[-PROOF:]
    if not proof:
        return guess if guess is not None and 0 <= guess <= len(log) else None
    if guess is not None and 0 < guess <= len(log) and _ends_alike(log[max(guess - PROOF, 0) : guess], proof):
        return guess
    found = log.rfind(proof)
    return None if found < 0 else found + len(proof)


def _ends_alike(one: bytes, other: bytes) -> bool:
    common = min(len(one), len(other))
    return one[len(one) - common :] == other[len(other) - common :]


def fresh(data: bytes, repeated: bytes) -> tuple[bytes, bytes]:
    """What of the stream's next bytes is new, when it still was to repeat some, and what it then has yet to repeat."""
    if repeated.startswith(data):
        return b"", repeated[len(data) :]
    if data.startswith(repeated):
        return data[len(repeated) :], b""
    return data, b""
