"""What a job tells of how far it is."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from controller.node.backups.reporting import Reporter
from hypersdk.model.backupjob import JobProgress
from tests.unit.node.backups.bench import NOW


def _clock() -> Iterator[datetime]:
    """A clock that goes on by a moment with each look."""
    at = NOW
    while True:
        yield at
        at += timedelta(microseconds=5)


def test_first_figure_of_a_phase_has_no_rate() -> None:
    async def write(progress: JobProgress) -> None:
        """Nobody reads it."""

    clock = _clock()
    reporter = Reporter(write, lambda: next(clock), {"Storing": (0, 90)})
    reporter("Storing", 10 * 2**20, 26 * 2**20)
    assert reporter._newest is not None
    assert reporter._newest.bytes_per_second == 0
