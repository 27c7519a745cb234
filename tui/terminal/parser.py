"""Escape sequences taken apart: a tolerant parser after ECMA-48 and the VT500 state machine, as events for a sink.

Text passes in whole runs. Strings (DCS, OSC, APC, PM, SOS) are swallowed, so that no title, clipboard or graphics
request of a guest has any effect.
"""

import codecs
import re
from dataclasses import dataclass, field
from typing import Final, Protocol

MAX_SEQUENCE: Final = 256
"""Longer than any sequence that means something; a longer one is dropped and text goes on."""
MAX_PARAMETER: Final = 9999
MAX_PARAMETERS: Final = 32

_TEXT: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f]+")
_CSI_END: Final = re.compile(r"[\x40-\x7e]|[\x00-\x1f]")
_STRING_END: Final = re.compile("\x1b\\\\|\x07|\x9c|\x18|\x1a")
_CSI_FORM: Final = re.compile(r"([<-?]?)([0-9;:]*)([ -/]*)$")
_STRINGS: Final = frozenset("P]X^_")
_C1: Final = {chr(code + 0x40): chr(code) for code in range(0x40, 0x60)}


class Sink(Protocol):
    """What the parser calls."""

    def text(self, text: str) -> None:
        """A run of characters without controls."""
        ...

    def control(self, character: str) -> None:
        """One C0 control."""
        ...

    def escape(self, intermediates: str, final: str) -> None:
        """ESC sequence."""
        ...

    def csi(self, prefix: str, parameters: list[list[int]], intermediates: str, final: str) -> None:
        """CSI sequence; each parameter with its colon-separated parts, 0 for an omitted one."""
        ...


@dataclass
class Parser:
    """Feeds a sink; holds back what is not complete yet."""

    sink: Sink
    _pending: str = ""
    _in_string: bool = False
    _decode: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")(errors="replace")
    )

    def feed(self, data: bytes) -> None:
        """Take in bytes of UTF-8, cut anywhere."""
        text = self._pending + self._decode.decode(data)
        self._pending = ""
        at = 0
        while at < len(text):
            if self._in_string:
                at = self._string(text, at)
            elif run := _TEXT.match(text, at):
                self.sink.text(run.group())
                at = run.end()
            else:
                at = self._special(text, at)

    def _special(self, text: str, at: int) -> int:
        """One control or sequence from `at`; where to go on."""
        character = text[at]
        if character == "\x1b":
            return self._escape(text, at, at + 1)
        if character in _C1:
            return self._introduced(text, at, at + 1, _C1[character])
        if character != "\x7f":
            self.sink.control(character)
        return at + 1

    def _escape(self, text: str, start: int, at: int) -> int:
        """What follows an ESC."""
        while at < len(text) and " " <= text[at] <= "/":
            at += 1
        if at - start > MAX_SEQUENCE:
            return at
        if at >= len(text):
            return self._hold(text, start)
        intermediates, final = text[start + 1 : at], text[at]
        if final < " ":
            return at  # a control inside an escape: the escape is given up
        if not intermediates:
            return self._introduced(text, start, at + 1, final)
        self.sink.escape(intermediates, final)
        return at + 1

    def _introduced(self, text: str, start: int, at: int, final: str) -> int:
        """A sequence by its introducer, `[` for CSI, as ESC and C1 controls share them."""
        if final == "[":
            return self._csi(text, start, at)
        if final in _STRINGS:
            self._in_string = True
            return at
        self.sink.escape("", final)
        return at

    def _csi(self, text: str, start: int, at: int) -> int:
        end = _CSI_END.search(text, at, at + MAX_SEQUENCE)
        if end is None:
            return self._hold(text, start) if len(text) - at < MAX_SEQUENCE else at
        final = end.group()
        if final < " ":
            return end.start()  # a control inside: the sequence is given up
        form = _CSI_FORM.match(text[at : end.start()])
        if form is not None:
            self.sink.csi(form.group(1), _parameters(form.group(2)), form.group(3), final)
        return end.end()

    def _string(self, text: str, at: int) -> int:
        """Skip to the end of a DCS, OSC, APC, PM or SOS string."""
        end = _STRING_END.search(text, at)
        if end is None:
            if text.endswith("\x1b"):
                self._pending = "\x1b"
            return len(text)
        self._in_string = False
        return end.end()

    def _hold(self, text: str, start: int) -> int:
        self._pending = text[start:]
        return len(text)


def _parameters(text: str) -> list[list[int]]:
    """`1;38:2::3` as [[1], [38, 2, 0, 3]]; bounded in count and size."""
    if not text:
        return []
    return [[_number(part) for part in one.split(":")] for one in text.split(";")[:MAX_PARAMETERS]]


def _number(text: str) -> int:
    return min(int(text[:6]), MAX_PARAMETER) if text else 0
