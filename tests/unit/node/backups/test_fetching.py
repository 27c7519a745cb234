"""Pieces come in their order, the next one read while one is written, and nothing is read behind a reader that left."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field

import pytest

from controller.node.backups.fetching import one_ahead


@dataclass
class Store:
    """Reads pieces, each as soon as it is let; tells what was begun and what was broken off."""

    count: int
    fails_at: int = -1
    let: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    begun: list[int] = field(default_factory=list)
    broken_off: list[int] = field(default_factory=list)

    def reads(self) -> Iterator[Coroutine[None, None, bytes]]:
        return (self._read(number) for number in range(self.count))

    async def _read(self, number: int) -> bytes:
        self.begun.append(number)
        try:
            await self.let.acquire()
        except asyncio.CancelledError:
            self.broken_off.append(number)
            raise
        if number == self.fails_at:
            raise ValueError(f"piece {number} is damaged")
        return b"%d" % number


@pytest.mark.parametrize("count", [0, 1, 2, 5])
async def test_pieces_come_in_their_order(count: int) -> None:
    store = Store(count, let=asyncio.Semaphore(count))
    assert [piece async for piece in one_ahead(store.reads())] == [b"%d" % number for number in range(count)]


async def test_next_piece_is_read_while_one_is_written_and_no_other() -> None:
    store = Store(4, let=asyncio.Semaphore(1))
    async with aclosing(one_ahead(store.reads())) as pieces:
        assert await anext(pieces) == b"0"
        assert store.begun == [0, 1]


async def test_nothing_is_read_on_for_a_reader_that_leaves() -> None:
    store = Store(4, let=asyncio.Semaphore(1))
    async with aclosing(one_ahead(store.reads())) as pieces:
        await anext(pieces)
    assert store.broken_off == [1]


async def test_damaged_piece_ends_it_after_those_before() -> None:
    store = Store(4, fails_at=2, let=asyncio.Semaphore(3))
    async with aclosing(one_ahead(store.reads())) as pieces:
        assert [await anext(pieces), await anext(pieces)] == [b"0", b"1"]
        with pytest.raises(ValueError, match="piece 2 is damaged"):
            await anext(pieces)
    assert store.broken_off == [3]
