"""What libvirt says to the other node on a move with post-copy: its last question never lets the copy run too early."""

import asyncio

import pytest

from controller.node.migration.guard import FINISH, HEAD, PAUSED, REMOTE, Guard

LIVE = 1
KEEP_ALIVE = 0x6B656570


def message(procedure: int, tail: tuple[int, ...] = (), program: int = REMOTE, kind: int = 0) -> bytes:
    body = b"".join(number.to_bytes(4, "big") for number in tail)
    return HEAD.pack(HEAD.size + len(body), program, 1, procedure, kind, 7, 0) + body


async def heard(said: bytes, *, following: bool) -> bytes:
    async def is_following() -> bool:
        return following

    source, target = asyncio.StreamReader(), asyncio.StreamReader()
    source.feed_data(said)
    source.feed_eof()
    await Guard(is_following).pass_on(source, target)
    return await target.read()


@pytest.mark.parametrize(
    ("following", "given_up", "flags"),
    [(False, 0, LIVE | PAUSED), (True, 0, LIVE), (False, 1, LIVE)],
    ids=["converged", "post-copy", "given up"],
)
async def test_the_copy_stays_paused_unless_the_guest_here_is_held(following: bool, given_up: int, flags: int) -> None:
    first = message(305, (1, 2, 3)) + message(0, program=KEEP_ALIVE)
    asked = first + message(FINISH, (9, 9, LIVE, given_up))
    assert await heard(asked, following=following) == first + message(FINISH, (9, 9, flags, given_up))


@pytest.mark.parametrize(
    "strange",
    [
        message(FINISH, (0,)),
        message(217, (0, 0)),
        message(1, program=0x12345678),
        HEAD.pack(1 << 30, REMOTE, 1, 1, 0, 1, 0),
        HEAD.pack(3, REMOTE, 1, 1, 0, 1, 0),
        b"\x16\x03\x01\x02\x00",
    ],
    ids=["short", "older question", "unknown program", "too long", "no length", "cut off"],
)
async def test_what_cannot_be_read_does_not_pass(strange: bytes) -> None:
    first = message(66)
    assert await heard(first + strange + message(FINISH, (LIVE, 0)), following=True) == first


async def test_answers_pass_as_they_are() -> None:
    answer = message(FINISH, (LIVE, 0), kind=1)
    assert await heard(answer, following=False) == answer


@pytest.mark.parametrize(
    ("given_up", "answer", "left"),
    [
        (0, message(FINISH, (1, 2, 3), kind=1), True),
        (1, message(FINISH, (1, 2, 3), kind=1), False),
        (0, HEAD.pack(HEAD.size, REMOTE, 1, FINISH, 1, 7, 1), False),
        (0, message(FINISH, (1, 2, 3), kind=1)[:-1], False),
    ],
    ids=["finished", "given up", "an error", "half an answer"],
)
async def test_it_has_left_when_libvirt_was_told_so(given_up: int, answer: bytes, left: bool) -> None:
    async def is_following() -> bool:
        return False

    guard, source = Guard(is_following), asyncio.StreamReader()
    guard.answered(message(305, (0,), kind=1))
    source.feed_data(message(FINISH, (LIVE, given_up)))
    source.feed_eof()
    await guard.pass_on(source, asyncio.StreamReader())
    for at in range(0, len(answer), 5):
        guard.answered(answer[at : at + 5])
    assert guard.left.is_set() is left
