"""How does a line of log look? Text or JSON, with the VM and the operation that it is about, and no secret in it."""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Final, Literal

from controller.telemetry.context import OPERATION, VM
from hypersdk.model.base import JsonObject

Format = Literal["text", "json"]
HIDDEN: Final = "***"
_SECRETS: Final = (
    (re.compile(r"(?<=://)[^/@\s]+(?=@)"), HIDDEN),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), rf"\1 {HIDDEN}"),
    (
        re.compile(r"(?i)([?&][\w.-]*(?:token|signature|secret|passw|credential|sig|key)[\w.-]*=)[^&\s\"']+"),
        rf"\1{HIDDEN}",
    ),
    (
        re.compile(r"(?i)((?:token|secret|passwd|password|secretkey|secret_key)[\"']?\s*[=:]\s*[\"']?)[^\s\"',}]+"),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)", re.S), HIDDEN),
)


def set_up(form: Format, level: int, audit_file: Path | None = None, audit_logger: str = "") -> None:
    """Lines to standard error; those of the audit to a file too, which only this user can read."""
    out = logging.StreamHandler(sys.stderr)
    out.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=level, handlers=[out], force=True)
    if audit_file is not None:
        audit_file.parent.mkdir(parents=True, exist_ok=True)
        audit_file.touch(mode=0o600)
        kept = WatchedFileHandler(audit_file, encoding="utf-8")
        kept.setFormatter(JsonLines())
        logging.getLogger(audit_logger).addHandler(kept)


class TextLines(logging.Formatter):
    """For people: `2026-11-23 09:00:00,000 INFO controller.main: words vm=default/web operation=web-stop`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line without its traceback."""
        about = "".join(f" {name}={value}" for name, value in _about().items())
        return super().formatMessage(record) + about

    def format(self, record: logging.LogRecord) -> str:
        """The whole line."""
        return scrubbed(super().format(record))


class JsonLines(logging.Formatter):
    """For programs: one object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The whole line."""
        line: JsonObject = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": scrubbed(record.getMessage()),
            **_about(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["error"] = scrubbed(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def scrubbed(text: str) -> str:
    """The text without passwords in URLs, tokens, signatures and private keys."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def _about() -> JsonObject:
    known: JsonObject = {"vm": VM.get(), "operation": OPERATION.get()}
    return {name: value for name, value in known.items() if value}
