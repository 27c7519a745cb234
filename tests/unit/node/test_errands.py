"""Errands: what goes on in the background is over before anybody looks at what it has done."""

import asyncio

import pytest

from controller.node.errands import Errands, Progress, unbroken
from hypersdk.errors import Terminal, Transient


async def test_call_that_cannot_be_broken_off_is_waited_for() -> None:
    begun, may_end, done = asyncio.Event(), asyncio.Event(), list[str]()

    async def call() -> None:
        begun.set()
        await may_end.wait()
        done.append("called")

    async def work(_: Progress) -> None:
        await unbroken(call())
        done.append("went on")

    async with Errands[None]() as errands:
        errands.begin("op", work, lambda: None)
        await begun.wait()
        ending = asyncio.ensure_future(errands.end("op"))
        await asyncio.sleep(0)
        assert not ending.done()
        may_end.set()
        assert await ending
        assert done == ["called"]
        assert not await errands.end("op")


@pytest.mark.parametrize("failure", [Transient("busy"), Terminal("Full", "no room"), OSError(5, "Input/output error")])
async def test_failure_is_told_once_to_whoever_asks(failure: Exception) -> None:
    woken = asyncio.Event()

    async def work(_: Progress) -> None:
        raise failure

    async with Errands[None]() as errands:
        errand = errands.begin("op", work, woken.set)
        await woken.wait()
        assert errand.is_over
        with pytest.raises((Transient, Terminal)):
            errands.take("op")
        assert errands.get("op") is None


async def test_errands_end_with_their_owner() -> None:
    async def work(_: Progress) -> None:
        await asyncio.Event().wait()

    async with Errands[None]() as errands:
        errand = errands.begin("op", work, lambda: None)
    assert errand.is_over
    assert errands.get("op") is None


async def test_bug_is_told_to_whoever_takes_it_and_ends_nobody_else() -> None:
    woken = asyncio.Event()

    async def work(_: Progress) -> None:
        raise LookupError("a bug")

    async with Errands[None]() as errands:
        errands.begin("op", work, woken.set)
        await woken.wait()
        with pytest.raises(LookupError, match="a bug"):
            errands.take("op")


def test_progress_in_words() -> None:
    progress = Progress(began=10.0, done=512 * 2**20, total=2**30)
    assert (progress.percent, progress.words(12.0)) == (50, "512Mi of 1.0Gi, 256Mi a second")
    assert (Progress().percent, Progress().words(0.0)) == (0, "0 of 0, 0 a second")
