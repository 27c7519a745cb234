"""Whose turn it is, what becomes of long work, and how far it is told to be."""

import asyncio
from datetime import timedelta

import pytest

from controller.node.backups.errands import Errands
from controller.node.backups.status import progress
from controller.node.backups.turn import backup_waits
from controller.node.operations.turn import asks_for_cancel
from hypersdk.errors import Terminal, Transient
from hypersdk.model.backupjob import BackupJob
from hypersdk.model.base import rfc3339
from tests.unit.node.backups.bench import NOW, backup
from tests.unit.node.builders import machine, operation

KEY = ("default", "nightly")


def job(name: str, phase: str = "", age: int = 0, **meta: object) -> BackupJob:
    one = backup(name)
    born = NOW - timedelta(minutes=age)
    return one.but(
        metadata=one.metadata.but(creation_timestamp=born, **meta), status=one.status.but(phase=phase or None)
    )


def test_backup_waits_for_whatever_else_goes_on_with_its_machine() -> None:
    mine = job("mine", age=5)
    assert backup_waits(mine, machine(), [mine], [], 1) == ""
    on = operation("web-snapshot-1", {"phase": "Running"}, operation="snapshot")
    assert backup_waits(mine, machine(), [mine], [on], 1) == "waits for snapshot (web-snapshot-1)"
    over = operation("web-start-1", {"phase": "Succeeded"})
    assert backup_waits(mine, machine(), [mine], [over], 1) == ""
    filled = machine(metadata={"annotations": {"hypersdk.io/filling": "x"}})
    assert "filled" in backup_waits(mine, filled, [mine], [], 1)
    assert "older" in backup_waits(mine, machine(), [mine, job("older", age=9)], [], 1)
    assert "running" in backup_waits(mine, machine(), [mine, job("running", "Running")], [], 1)
    others = [mine, job("younger"), job("done", "Completed", age=9), job("failed", "Failed", age=9)]
    assert backup_waits(mine, machine(), others, [], 1) == ""
    assert "other backups" in backup_waits(mine, machine(), [mine], [], 0)


def test_deletion_and_the_annotation_ask_for_an_end() -> None:
    assert not asks_for_cancel(job("on"))
    assert asks_for_cancel(job("gone", deletion_timestamp=NOW))
    assert asks_for_cancel(job("cancelled", annotations={"hypersdk.io/cancel": ""}))


async def raising(error: Exception) -> Errands:
    """Work that has failed of it."""
    woken = asyncio.Event()
    errands = Errands(lambda _: woken.set(), lambda *_: None)

    async def work() -> None:
        raise error

    errands.start(KEY, work())
    await woken.wait()
    return errands


async def test_end_of_long_work_is_told_by_its_kind() -> None:
    errands = await raising(Terminal("No", "never"))
    refused = errands.refused(KEY)
    assert (refused is not None and refused.reason, errands.refused(KEY)) == ("No", None)

    errands = await raising(Transient("not now"))
    assert (errands.failed(KEY), errands.due_in_s(KEY) > 0, errands.refused(KEY)) == ("not now", True, None)
    errands.raise_bug(KEY)

    errands = await raising(KeyError("a bug"))
    with pytest.raises(KeyError):
        errands.raise_bug(KEY)
    errands.raise_bug(KEY)
    assert errands.due_in_s(KEY) > 0


async def test_cancelled_work_is_waited_for_and_woken_once() -> None:
    woken: list[object] = []
    errands = Errands(woken.append, lambda *_: None)
    cleared = False

    async def work() -> None:
        nonlocal cleared
        try:
            await asyncio.Event().wait()
        finally:
            cleared = True

    errands.start(KEY, work())
    await asyncio.sleep(0)
    await errands.cancel(KEY)
    assert (cleared, errands.is_on(KEY), woken, errands.failed(KEY)) == (True, False, [KEY], "")
    await errands.cancel(KEY)
    errands.start(KEY, work())
    await asyncio.sleep(0)
    await errands.close()
    assert len(errands) == 0


def test_progress_tells_percent_rate_and_end() -> None:
    told = progress("Storing", 300, 1000, NOW, NOW + timedelta(seconds=10), (40, 98))
    assert (told.percentage, told.bytes_per_second, told.bytes_transferred) == (57.4, 30, 300)
    assert told.estimated_completion is not None
    assert rfc3339(told.estimated_completion) == rfc3339(NOW + timedelta(seconds=10 + 700 / 30))
    first = progress("Copying", 0, 0, NOW, NOW, (0, 40))
    assert (first.percentage, first.bytes_per_second, first.estimated_completion) == (0.0, 0, None)
