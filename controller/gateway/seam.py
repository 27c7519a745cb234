"""Where do a serial log on disk and the live stream of the same port meet? Pure.

Both carry the same bytes. The log has every one of them, though it may lag by a moment. The stream begins with what
the guest writes once the port is open, or with older bytes that the pty has kept (QEMU does not see the port close
while typed bytes wait for the guest), and may then leave some out. So the log is read when the port is open already
and shown as it is, and of the stream only what the log has not.
"""

PROOF = 256
"""Bytes by which a place in the log is recognised without doubt."""
EVIDENCE = 32
"""Bytes that must agree before old output is believed to come again."""
LEAST = 4
"""The same, when they are the log's very last ones."""
REACH = 4096
"""How many last bytes of the log are compared for that."""
ENOUGH = 64
"""Bytes of the stream that are waited for (but not for long) before its place is decided."""
WINDOW = 64 * 1024
"""How much of the log a stream can repeat: more than a pty keeps. Bounds the work that hostile output causes."""


class Repeats:
    """Takes out of a stream what the end of the log has already."""

    def __init__(self, log: bytes, sure: int) -> None:
        """`sure` is where in the log the bytes begin that were not there before the port was opened."""
        first = max(len(log) - WINDOW, 0)
        self._log = log[first:]
        self._sure = max(sure - first, 0)
        self._is_aligned = False
        self._held = b""

    @property
    def is_pending(self) -> bool:
        """Whether bytes are held back, or may have to be, so that `settle` is due after a moment of silence."""
        return bool(self._log) and not self._is_aligned

    def feed(self, data: bytes) -> bytes:
        """What is new in the stream's next bytes, as far as that is clear yet."""
        self._held += data
        if self._is_aligned:
            self._follow()
        if not self._log:
            return self._release()
        return self._decide(ENOUGH)

    def settle(self) -> bytes:
        """What is new in the bytes that were held back, now that nothing more comes to tell."""
        if not self._held:
            self._log = b""
        return self._decide(1)

    def _follow(self) -> None:
        same = _common(self._log, self._held)
        self._log, self._held = self._log[same:], self._held[same:]
        if self._held:
            # The stream has left something out: from here on it may go on anywhere.
            self._is_aligned, self._sure = False, len(self._log)

    def _decide(self, enough: int) -> bytes:
        """Find the place of what is held, and of what is left of it behind each gap."""
        while self._log and len(self._held) >= enough:
            self._log = self._log[meeting(self._log, self._held, self._sure) :]
            self._is_aligned = bool(self._log)
            self._follow()
        return b"" if self._log else self._release()

    def _release(self) -> bytes:
        output, self._held = self._held, b""
        return output


def meeting(log: bytes, live: bytes, sure: int) -> int:
    """Where in `log` the stream `live` begins: from there on both agree, as far as both go or for long enough.

    Best at or after `sure`; before it only with much evidence, and then as late as possible, since a guest that
    repeats itself agrees with itself in many places. The end of the log always agrees, with no evidence at all.
    """
    if not live:
        return len(log)
    agreeing = next(place for place in range(min(sure, len(log)), len(log) + 1) if _agree(log, live, place))
    if len(log) - agreeing >= min(EVIDENCE, len(live)):
        return agreeing
    return next((place for place in (_touching(log, live), _older(log, live, sure)) if place is not None), agreeing)


def _touching(log: bytes, live: bytes) -> int | None:
    """Where the log's last bytes are the stream's first ones: kept ones, with what is new right behind them."""
    places = range(max(len(log) - REACH, 0), len(log) - LEAST + 1)
    return next((place for place in places if live.startswith(log[place:])), None)


def _older(log: bytes, live: bytes, sure: int) -> int | None:
    """Where the stream's first bytes are further back in the log."""
    if len(live) < EVIDENCE:
        return None
    place = log.rfind(live[:EVIDENCE], 0, sure + EVIDENCE - 1)
    return place if place >= 0 else None


def _agree(log: bytes, live: bytes, place: int) -> bool:
    return log.startswith(live[: min(len(log) - place, EVIDENCE)], place)


def _common(one: bytes, other: bytes) -> int:
    """How many bytes both begin with."""
    length = min(len(one), len(other))
    if one[:length] == other[:length]:
        return length
    return next(place for place in range(length) if one[place] != other[place])


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
