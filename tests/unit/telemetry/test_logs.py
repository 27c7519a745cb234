"""Lines of log: what they are about is in them, secrets are not."""

import asyncio
import json
import logging
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.gateway import audit
from controller.gateway.access import Caller, Wish
from controller.gateway.audit import Visit
from controller.telemetry.context import about_operation, about_vm
from controller.telemetry.logs import JsonLines, TextLines, scrubbed, set_up

VISIT = Visit(Caller("alice", ("admins", "devs")), Wish("update", "default", "web", "console"), "192.0.2.9", "serial0")


def _record(message: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord("controller.x", logging.INFO, "x.py", 1, message, args, None)


async def _about() -> tuple[str, str]:
    about_vm("default", "web")
    about_operation("web-stop-1")
    return TextLines().format(_record("stopping %s", "it")), JsonLines().format(_record("stopping %s", "it"))


async def test_line_tells_vm_and_operation_in_both_forms() -> None:
    text, line = await asyncio.create_task(_about())
    assert text.endswith("INFO controller.x: stopping it vm=default/web operation=web-stop-1")
    told = json.loads(line)
    assert (told["vm"], told["operation"], told["message"], told["level"]) == (
        "default/web",
        "web-stop-1",
        "stopping it",
        "info",
    )
    assert "vm" not in json.loads(JsonLines().format(_record("another task is about nothing")))


def test_traceback_is_one_line_of_json() -> None:
    try:
        raise ValueError("token=hunter2hunter2")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "a bug", (), sys.exc_info())
    line = JsonLines().format(record)
    assert "\n" not in line
    assert "hunter2" not in line
    assert "ValueError" in json.loads(line)["error"]


@pytest.mark.parametrize(
    "text",
    [
        "GET https://bob:hunter2@example.org/image.qcow2",
        "Authorization: Bearer hunter2.hunter2.hunter2",
        "http://s3/x?X-Amz-Signature=hunter2&a=b",
        "http://s3/x?AWSAccessKeyId=hunter2",
        "{'secretKey': 'hunter2'}",
        "password=hunter2",
        "-----BEGIN EC PRIVATE KEY-----\nhunter2\n-----END EC PRIVATE KEY-----",
    ],
)
def test_secrets_are_left_out(text: str) -> None:
    assert "hunter2" not in scrubbed(text)


@pytest.mark.parametrize("text", ["VM default/web: again in 2.0 s", "http://h/a?lines=3", "the key ('default', 'web')"])
def test_everything_else_stays(text: str) -> None:
    assert scrubbed(text) == text


@pytest.fixture
def audit_file(tmp_path: Path) -> Iterator[Path]:
    """Logging as the process has it, with an audit file; as it was afterwards."""
    root, logger = logging.getLogger(), logging.getLogger(audit.LOGGER)
    before, level = list(root.handlers), root.level
    set_up("json", logging.INFO, tmp_path / "audit" / "audit.log", audit.LOGGER)
    yield tmp_path / "audit" / "audit.log"
    for handler in logger.handlers:
        handler.close()
    logger.handlers.clear()
    root.handlers[:] = before
    root.setLevel(level)


def test_audit_has_a_line_for_start_take_over_and_stop(audit_file: Path) -> None:
    seconds = iter((10.0, 12.5))
    with audit.session(VISIT, lambda: (100, 7), lambda: next(seconds)):
        audit.take_over(VISIT, "given", "bob")
    lines = [json.loads(line) for line in audit_file.read_text().splitlines()]
    assert [line["audit"] for line in lines] == ["console.start", "console.take-over", "console.stop"]
    for line in lines:
        assert (line["user"], line["groups"], line["vm"]) == ("alice", ["admins", "devs"], "default/web")
        assert (line["device"], line["peer"], line["verb"]) == ("serial0", "192.0.2.9", "update")
    assert (lines[1]["how"], lines[1]["from"]) == ("given", "bob")
    assert (lines[2]["seconds"], lines[2]["bytesSent"], lines[2]["bytesReceived"]) == (2.5, 100, 7)
    assert stat.S_IMODE(audit_file.stat().st_mode) == 0o600


def test_name_that_looks_like_another_line_is_one_word(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    audit.record("start", Visit(Caller("eve\nvm=x audit=y"), VISIT.wish, "h\x1b[2J"))
    (message,) = [record.getMessage() for record in caplog.records]
    assert "\n" not in message
    assert "\x1b" not in message
    assert "user='eve vm=x audit=y'" in message
