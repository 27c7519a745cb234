"""The screen's port on this host: who is let in, and that nobody is who does not know the password."""

import asyncio
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hyperctl.k8s.des import STORED, encrypted, hidden
from hyperctl.k8s.rfb import Refused, Viewer, greet
from hyperctl.k8s.vnc import viewer_line
from hypersdk.errors import Unreachable

PASSWORD = "k3Jd9sXa"


def test_des_is_the_standards() -> None:
    # The classic worked example, with each byte of its key the other way round as VNC has it.
    key = bytes(int(f"{byte:08b}"[::-1], 2) for byte in bytes.fromhex("133457799bbcdff1"))
    assert encrypted(key, bytes.fromhex("0123456789abcdef")).hex() == "85e813540f0ab405"


def test_password_file_is_what_vncpasswd_writes() -> None:
    assert encrypted(STORED, b"password").hex() == "dbd83cfd727a1458"


def test_password_reaches_a_viewer_by_a_file_alone(tmp_path: Path) -> None:
    for program in ("/usr/bin/remote-viewer", "/usr/bin/vncviewer"):
        line = viewer_line(program, "my-vm", 5923, PASSWORD, tmp_path)
        assert PASSWORD not in " ".join(line)
        assert line[0] == program
    assert f"password={PASSWORD}\n" in (tmp_path / "screen.vv").read_text()


@asynccontextmanager
async def _connected() -> AsyncIterator[tuple[Viewer, StreamReader, StreamWriter]]:
    """Our end of a viewer's connection, and the viewer's."""
    arrived: asyncio.Future[tuple[StreamReader, StreamWriter]] = asyncio.get_running_loop().create_future()
    server = await asyncio.start_server(lambda reader, writer: arrived.set_result((reader, writer)), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    ours = await arrived
    try:
        yield Viewer(*ours), reader, writer
    finally:
        for end in (writer, ours[1], server):
            end.close()


async def _answer(reader: StreamReader, writer: StreamWriter, minor: int, password: str) -> None:
    """What a viewer of that version does."""
    assert await reader.readexactly(12) == b"RFB 003.008\n"
    writer.write(b"RFB 003.%03d\n" % minor)
    if minor >= 7:
        assert await reader.readexactly(2) == b"\x01\x02"
        writer.write(b"\x02")
    else:
        assert await reader.readexactly(4) == struct.pack(">I", 2)
    writer.write(hidden(password, await reader.readexactly(16)))


@pytest.mark.parametrize("minor", [3, 7, 8])
async def test_viewer_that_knows_the_password_is_let_in(minor: int) -> None:
    async with _connected() as (viewer, reader, writer), asyncio.TaskGroup() as group:
        group.create_task(_answer(reader, writer, minor, PASSWORD))
        await viewer.prove(PASSWORD)
        viewer.accept()
        assert await reader.readexactly(4) == bytes(4)


@pytest.mark.parametrize("guess", ["", "k3Jd9sXb", "K3JD9SXA"])
async def test_viewer_that_guesses_is_told_so_and_no_more(guess: str) -> None:
    async with _connected() as (viewer, reader, writer), asyncio.TaskGroup() as group:
        group.create_task(_answer(reader, writer, 8, guess))
        with pytest.raises(Refused, match="wrong password"):
            await viewer.prove(PASSWORD)
        assert await reader.readexactly(8 + 14) == struct.pack(">II", 1, 14) + b"wrong password"


@pytest.mark.parametrize(
    ("said", "words"),
    [(b"GET / HTTP/1.", "no VNC viewer"), (b"RFB 003.008\n\x01", "does not give passwords"), (b"RFB", "went away")],
)
async def test_what_is_no_viewer_gets_nothing(said: bytes, words: str) -> None:
    async with _connected() as (viewer, _, writer):
        writer.write(said)
        writer.write_eof()
        with pytest.raises(Refused, match=words):
            await viewer.prove(PASSWORD)


class _Qemu:
    def __init__(self, says: bytes) -> None:
        self.says = says
        self.heard = b""

    async def exactly(self, count: int) -> bytes:
        taken, self.says = self.says[:count], self.says[count:]
        return taken

    async def send(self, data: bytes) -> None:
        self.heard += data


async def test_qemu_is_greeted_up_to_the_viewers_own_word() -> None:
    qemu = _Qemu(b"RFB 003.008\n\x01\x01\0\0\0\0rest")
    await greet(qemu)
    assert (qemu.says, qemu.heard) == (b"rest", b"RFB 003.008\n\x01")


@pytest.mark.parametrize("says", [b"RFB 003.008\n\x01\x02", b"RFB 003.008\n\0", b"RFB 003.008\n\x01\x01\0\0\0\1"])
async def test_qemu_that_lets_nobody_in_is_said_so(says: bytes) -> None:
    with pytest.raises(Unreachable):
        await greet(_Qemu(says))
