"""What were the last bytes of one serial port, and what comes after a given place in them?"""

CAPACITY = 256 * 1024
LINE_SEARCH = 4096
"""How far a reader that starts in the middle looks for a fresh line."""


class Ring:
    """The newest bytes of a stream that never ends; places in it are counted from its first byte ever."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._bytes = bytearray()
        self._capacity = capacity
        self.start = 0
        """Place of the oldest byte still here."""

    @property
    def end(self) -> int:
        """Place after the newest byte."""
        return self.start + len(self._bytes)

    def append(self, data: bytes) -> None:
        """Take new bytes in; the oldest fall out."""
        self._bytes += data
        surplus = len(self._bytes) - self._capacity
        if surplus > 0:
            # Deleting at the front of a bytearray moves nothing.
            del self._bytes[:surplus]
            self.start += surplus

    def read(self, place: int, limit: int = CAPACITY) -> bytes:
        """At most `limit` bytes from `place` on; from the oldest when that one is gone."""
        first = max(place - self.start, 0)
        return bytes(self._bytes[first : first + limit])

    def line_start(self, place: int) -> int:
        """The first fresh line at or after `place`; `place` itself at the stream's start or when no line is near."""
        place = max(place, self.start)
        if place == 0:
            return 0
        if place > self.start:
            place -= 1
        first = place - self.start
        newline = self._bytes.find(b"\n", first, first + LINE_SEARCH)
        return place if newline < 0 else self.start + newline + 1
