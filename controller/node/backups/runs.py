"""Which clusters of a disk are stored, and which read as zeros where an older backup has something? Pure."""

from collections.abc import Iterable, Iterator

CLUSTER = 1 << 16
Runs = list[tuple[int, int]]
"""Clusters by the first and the one after the last, in order, apart from each other."""


def rounded(stretches: Iterable[tuple[int, int]]) -> Runs:
    """All clusters that one of the stretches of bytes touches; they come in order."""
    runs: Runs = []
    for start, end in stretches:
        first, last = start // CLUSTER, -(-end // CLUSTER)
        if runs and first <= runs[-1][1]:
            runs[-1] = (runs[-1][0], max(last, runs[-1][1]))
        elif first < last:
            runs.append((first, last))
    return runs


def both(one: Runs, other: Runs) -> Runs:
    """Clusters that are in both."""
    return list(_both(one, other))


def _both(one: Runs, other: Runs) -> Iterator[tuple[int, int]]:
    left, right = iter(one), iter(other)
    mine, theirs = next(left, None), next(right, None)
    while mine is not None and theirs is not None:
        first, last = max(mine[0], theirs[0]), min(mine[1], theirs[1])
        if first < last:
            yield first, last
        if mine[1] <= theirs[1]:
            mine = next(left, None)
        else:
            theirs = next(right, None)


def without(one: Runs, other: Runs) -> Runs:
    """Clusters that are in the first and not in the second."""
    most = one[-1][1] if one else 0
    return both(one, _between(other, most))


def _between(runs: Runs, most: int) -> Runs:
    ends = [0, *(end for _, end in runs)]
    starts = [*(start for start, _ in runs), max(most, ends[-1])]
    return [(end, start) for end, start in zip(ends, starts, strict=True) if end < start]
