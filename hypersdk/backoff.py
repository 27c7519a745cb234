"""How long to wait before the next try: doubling, with jitter, up to a longest time."""

from collections.abc import Callable


def spread(first_s: float, longest_s: float, failures: int, chance: Callable[[], float]) -> float:
    """Between half of and the whole of `first_s * 2 ** failures`, at most `longest_s`."""
    whole: float = min(longest_s, first_s * 2 ** min(failures, 32))
    return whole * (0.5 + chance() / 2)
