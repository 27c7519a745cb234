"""Logs as text: the last lines, what is added, over rotation, and nothing in it that steers a terminal."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest

from controller.gateway import text_log
from controller.gateway.text_log import follow, last_lines, readable
from hypersdk.errors import Invalid, NotFound
from hypersdk.kube.streams import LogSource, Stream, log_text, open_log, stream_path
from tests.unit.gateway.loopback import Lab
from tests.unit.gateway.scripted import ScriptedGuest

LOG = stream_path("default", "vm", "log")


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m and plain\r", "red and plain"),
        ("\x1b]0;title\x07text\x1b]8;;http://x\x1b\\link", "textlink"),
        ("\x1b[6n\x1bc\x1b(Breset", "reset"),
        ("a\x9b31mb\u202ec", "a\N{REPLACEMENT CHARACTER}31mb\N{REPLACEMENT CHARACTER}c"),
        ("\x1bPq#0\x1b\\after", "after"),
        ("\x07\x00", "\N{REPLACEMENT CHARACTER}" * 2),
    ],
)
def test_nothing_steers_a_terminal(line: str, shown: str) -> None:
    assert readable(line) == shown


@pytest.mark.parametrize(
    ("written", "lines", "shown"),
    [
        (b"", 3, ""),
        (b"one\ntwo\nthree\n", 2, "two\nthree\n"),
        (b"one\ntwo\nthree\n", 9, "one\ntwo\nthree\n"),
        (b"one\r\ntwo\r\nlogin: ", 2, "two\nlogin: "),
        (b"one\ntwo\nlogin: ", 1, "login: "),
        (b"\xff\xfe\n", 1, "\ufffd\ufffd\n"),
    ],
)
def test_last_lines(tmp_path: Path, written: bytes, lines: int, shown: str) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(written)
    assert last_lines(str(log), lines)[0] == shown


def test_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert last_lines(str(tmp_path / "none"), 5) == ("", None)


def _add(log: Path, data: bytes) -> None:
    with log.open("ab") as file:
        file.write(data)


async def _until(texts: AsyncGenerator[str, None], wanted: str) -> str:
    seen = ""
    async with asyncio.timeout(20):
        while wanted not in seen:
            seen += await anext(texts)
    return seen


async def test_what_is_added_is_told_over_rotation_and_emptying(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_log, "POLL_S", 0.001)
    log = tmp_path / "x.log"
    log.write_bytes(b"old\n")
    async with aclosing(follow(str(log), 10)) as texts:
        assert await anext(texts) == "old\n"
        _add(log, b"half a li")
        assert await _until(texts, "half a li") == "half a li"
        _add(log, b"ne\nlast of the old file\n")
        log.rename(f"{log}.0")
        _add(log, b"first of the new one\n")
        assert await _until(texts, "new one\n") == "ne\nlast of the old file\nfirst of the new one\n"
        log.write_bytes(b"emptied\n")
        assert await _until(texts, "emptied\n") == "emptied\n"


async def _next(stream: Stream, wanted: str) -> str:
    seen = ""
    async with asyncio.timeout(20):
        async for message in stream.messages():
            seen += str(message)
            if wanted in seen:
                return seen
    raise AssertionError(seen)


async def test_qemus_log_is_answered_and_followed(lab: Lab, tmp_path: Path) -> None:
    lab.host.qemu_log = log = tmp_path / "qemu.log"
    log.write_bytes(b"".join(b"line %d\n" % number for number in range(1, 6)))
    client = lab.client()
    assert await log_text(client, "default", "vm", "qemu", 2) == "line 4\nline 5\n"
    assert (await log_text(client, "default", "vm")).count("\n") == 5
    async with await open_log(client, "default", "vm", lines=1) as stream:
        assert await _next(stream, "line 5\n") == "line 5\n"
        _add(log, b"terminating on signal 15\n")
        assert await _next(stream, "15\n") == "terminating on signal 15\n"
    lab.host.guests.clear()
    with pytest.raises(NotFound, match="was it ever started"):
        await log_text(client, "default", "vm")


@pytest.mark.parametrize("source", ["serial0", "console1"])
async def test_output_of_each_console_is_a_log(
    lab: Lab, guest: ScriptedGuest, tmp_path: Path, source: LogSource
) -> None:
    lab.host.virtio = virtio = ScriptedGuest(tmp_path / "console1.log")
    guest.say(b"serial0\r\n")
    virtio.say(b"console1\r\n")
    assert await log_text(lab.client(), "default", "vm", source) == f"{source}\n"


@pytest.mark.parametrize("lines", ["0", "-1", "x", "", "1e3", "10001", "٣", "9" * 5000])
async def test_senseless_number_of_lines_is_refused(lab: Lab, lines: str) -> None:
    with pytest.raises(Invalid, match="lines must be a number from 1 to 10000"):
        await lab.client().raw("GET", LOG, query=[("lines", lines)])


async def test_source_that_is_none_is_refused(lab: Lab) -> None:
    with pytest.raises(Invalid, match="source must be one of qemu, serial0, console1"):
        await lab.client().raw("GET", LOG, query=[("source", "/etc/shadow")])
