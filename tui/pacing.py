"""How fast may frames be sent? No faster than the terminal shows them: each asks for an answer, and few are on the way.

Textual hands frames to a thread with room for thirty of them; over a slow line that room fills, and then the event
loop itself waits. Here a frame that cannot be shown soon is not made: when the answer to an earlier one comes (the
report of the cursor's position, DSR 6), what differs by then is sent as one.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

ASK: Final = "\x1b[6n"
WINDOW: Final = 2048
"""So many bytes may be on the way: a cursor's move never waits for another one, a full screen does."""
LOST_S: Final = 10.0
"""An answer that takes longer was lost, for instance when another program had the terminal."""
UNANSWERED_S: Final = 0.5
"""Between frames to a terminal that has never answered."""


@dataclass
class Pacer:
    """What is on the way to one terminal."""

    clock: Callable[[], float]
    """Seconds that only grow."""
    _sizes: deque[int] = field(default_factory=deque)
    _sent_at: float = float("-inf")
    _has_answered: bool = False

    def wait_s(self) -> float:
        """For how long a frame has to wait if no answer comes before; 0 when it may go now."""
        if not self._sizes or sum(self._sizes) < WINDOW:
            return 0.0
        left = self._sent_at + (LOST_S if self._has_answered else UNANSWERED_S) - self.clock()
        if left > 0:
            return left
        self._sizes.clear()
        return 0.0

    def sent(self, size: int) -> None:
        """A frame of so many bytes went out, with the question behind it."""
        self._sizes.append(size)
        self._sent_at = self.clock()

    def answered(self) -> None:
        """The terminal has shown the oldest frame that was on the way."""
        self._has_answered = True
        if self._sizes:
            self._sizes.popleft()
