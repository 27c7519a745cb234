"""The guest's screen over the gateway: who gets what of a viewer's bytes, and what is asked before."""

import asyncio
import random

import pytest

from controller.gateway.rfb import Gate
from hypersdk.errors import ApiError, Forbidden
from hypersdk.kube.streams import Mode, Stream, open_vnc, stream_path
from tests.unit.gateway.loopback import Lab
from tests.unit.gateway.scripted import ScriptedGuest

HELLO = b"RFB 003.008\n\x01"
ALONE, SHARED = b"\0", b"\1"
SEEN = {
    "pixel-format": b"\x00" + bytes(19),
    "encodings": b"\x02\x00\x00\x02" + bytes(8),
    "update-request": b"\x03\x01" + bytes(8),
    "continuous-updates": b"\x96" + bytes(9),
    "fence": b"\xf8" + bytes(7) + b"\x03abc",
}
FELT = {
    "key": b"\x04\x01\x00\x00\x00\x00\x00a",
    "pointer": b"\x05\x01\x00\x10\x00\x10",
    "clipboard": b"\x06\x00\x00\x00\x00\x00\x00\x03abc",
    "extended-clipboard": b"\x06\x00\x00\x00\xff\xff\xff\xfcabcd",
    "power": b"\xfa\x00\x01\x02",
    "resize": b"\xfb\x00\x04\x00\x03\x00\x01\x00" + bytes(16),
    "qemu-key": b"\xff\x00\x00\x01" + bytes(8),
    "qemu-audio": b"\xff\x01\x00\x00",
    "qemu-audio-format": b"\xff\x01\x00\x02" + bytes(6),
}


def _through(gate: Gate, data: bytes, size: int) -> bytes:
    pieces = [gate(data[at : at + size]) for at in range(0, len(data), size)]
    assert None not in pieces
    return b"".join(piece for piece in pieces if piece is not None)


@pytest.mark.parametrize("size", [1, 3, 7, 4096])
def test_watcher_sees_and_is_not_felt(size: int) -> None:
    messages = [*SEEN.values(), *FELT.values()] * 3
    random.Random(size).shuffle(messages)
    passed = _through(Gate(may_type=False), HELLO + ALONE + b"".join(messages), size)
    assert passed == HELLO + SHARED + b"".join(message for message in messages if message in SEEN.values())


@pytest.mark.parametrize("size", [1, 5, 4096])
@pytest.mark.parametrize("hello", [HELLO, b"RFB 003.007\n\x01", b"RFB 003.003\n"], ids=["3.8", "3.7", "3.3"])
def test_writers_bytes_all_go_on_and_throw_nobody_out(hello: bytes, size: int) -> None:
    rest = b"".join([*FELT.values(), *SEEN.values(), b"\x99 whatever"])
    assert _through(Gate(may_type=True), hello + ALONE + rest, size) == hello + SHARED + rest


@pytest.mark.parametrize(
    ("may_type", "data"),
    [
        (True, b"GET / HTTP/1.1\r\n"),
        (False, HELLO + SHARED + b"\x99"),
        (False, HELLO + SHARED + b"\x06\x00\x00\x00\x7f\xff\xff\xff"),
    ],
    ids=["http", "unknown", "endless"],
)
def test_what_is_no_viewers_ends_it(may_type: bool, data: bytes) -> None:
    assert Gate(may_type=may_type)(data) is None


async def _screen(lab: Lab, mode: Mode, user: str = "alice") -> Stream:
    return await open_vnc(lab.client(user), "default", "vm", mode)


async def _said(lab: Lab, viewer: int, count: int) -> bytes:
    """What QEMU hears from one viewer."""
    heard, loop = b"", asyncio.get_running_loop()
    while len(heard) < count:
        heard += await loop.sock_recv(lab.host.viewers[viewer], 4096)
    return heard


async def test_viewers_share_the_screen_and_only_a_writer_is_felt(lab: Lab, guest: ScriptedGuest) -> None:
    guest.power_on()
    async with await _screen(lab, "write") as writer, await _screen(lab, "watch", "bob") as watcher:
        for number, stream in enumerate((writer, watcher)):
            await asyncio.get_running_loop().sock_sendall(lab.host.viewers[number], b"RFB 003.008\n")
            assert await anext(aiter(stream.messages())) == b"RFB 003.008\n"
            await stream.send(HELLO + ALONE + FELT["key"] + SEEN["fence"])
        everything = HELLO + SHARED + FELT["key"] + SEEN["fence"]
        assert await _said(lab, 0, len(everything)) == everything
        seen = HELLO + SHARED + SEEN["fence"]
        assert await _said(lab, 1, len(seen)) == seen
        assert [(caller.user, wish.verb) for caller, wish in lab.rights.asked] == [("alice", "update"), ("bob", "get")]
        lab.host.viewers[0].close()  # the domain goes off
        assert [message async for message in writer.messages()] == []
        assert writer.socket.close_code == 1000


async def test_screen_of_a_vm_that_is_off_is_refused_in_words(lab: Lab) -> None:
    with pytest.raises(ApiError, match="the VM is off") as caught:
        await _screen(lab, "write")
    assert caught.value.code == 503


async def test_right_is_asked_before_anything_is_said(lab: Lab, guest: ScriptedGuest) -> None:
    guest.power_on()
    lab.rights.denied |= {("bob", "update")}
    with pytest.raises(Forbidden, match="cannot update virtualmachines/vnc"):
        await _screen(lab, "write", "bob")
    async with await _screen(lab, "watch", "bob"):
        pass
    with pytest.raises(ApiError, match="vnc is a WebSocket"):
        await lab.client().raw("GET", stream_path("default", "vm", "vnc"))
