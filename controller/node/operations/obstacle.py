"""What keeps an operation from its end?"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Obstacle:
    """Why the operation cannot come to its end now; `final` when it ends it."""

    reason: str
    message: str
    final: bool = True
