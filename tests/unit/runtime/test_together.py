"""Two at once: both results, and nothing left behind when one fails."""

import asyncio

import pytest

from controller.runtime.together import together


async def test_both_answers_come_whoever_is_first() -> None:
    told = asyncio.Event()

    async def waits() -> str:
        await told.wait()
        return "late"

    async def tells() -> int:
        told.set()
        return 1

    assert await together(waits(), tells()) == ("late", 1)


@pytest.mark.parametrize("failing", ["first", "second"])
async def test_the_other_is_over_before_a_failure_is_told(failing: str) -> None:
    over: list[str] = []

    async def fails() -> None:
        raise ValueError(failing)

    async def goes_on() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        over.append("over")

    pair = (fails(), goes_on()) if failing == "first" else (goes_on(), fails())
    with pytest.raises(ValueError, match=failing):
        await together(*pair)
    assert over == ["over"]


async def test_of_two_failures_the_first_one_is_told() -> None:
    async def fails(words: str) -> None:
        raise ValueError(words)

    with pytest.raises(ValueError, match="one"):
        await together(fails("one"), fails("other"))
