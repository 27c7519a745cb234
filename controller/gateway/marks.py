"""How does a client say how far it has read a console, so that a new attachment goes on right there? Pure."""

import re
from dataclasses import dataclass, replace
from typing import Self

from controller.gateway.serial_log import Place

_FORM = re.compile(r"([0-9a-f]{16})\.(\d{1,18})(?:\.(\d{1,20})\.(-?\d{1,18}))?(?:\+(\d{1,18}))?", re.ASCII)


@dataclass(frozen=True)
class Mark:
    """A place in a console's output, in two countings: one ends with the controller, the other is the log file's."""

    epoch: str
    """Which ring the place is of: another one after each start of the controller."""
    place: int
    log: Place | None = None

    def __str__(self) -> str:
        text = f"{self.epoch}.{self.place}"
        return text if self.log is None else f"{text}.{self.log.inode}.{self.log.offset}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The mark in a text, `+N` for as many bytes more; None when it is no mark."""
        found = _FORM.fullmatch(text)
        if found is None:
            return None
        epoch, place, inode, offset, more = found.groups()
        log = Place(int(inode), int(offset)) if inode else None
        return cls(epoch, int(place), log).after(int(more or 0))

    def after(self, count: int) -> Self:
        """The place so many bytes on."""
        log = replace(self.log, offset=self.log.offset + count) if self.log else None
        return replace(self, place=self.place + count, log=log)
