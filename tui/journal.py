"""What this console was asked to do and what came of it: a log that stays readable."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from hypersdk.errors import HyperSDKError
from hypersdk.verbs.verb import Deed, Values

if TYPE_CHECKING:
    from hypersdk.model.base import Resource
    from tui.session import Session

R = TypeVar("R", bound="Resource")
REMEMBERED = 500


class State(StrEnum):
    """How far an entry is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass
class Entry:
    """One thing that was asked for; it is changed in place while it runs."""

    began: datetime
    what: str
    about: str
    command: str
    state: State = State.RUNNING
    percent: int | None = None
    message: str = ""

    @property
    def words(self) -> str:
        """The entry in one line."""
        percent = f" {self.percent}%" if self.percent and self.state is State.RUNNING else ""
        return f"{self.what} {self.about}: {self.state}{percent}" + (f" - {self.message}" if self.message else "")


@dataclass
class Journal:
    """The entries, oldest first, and who is told when one changes."""

    tell: Callable[[Entry], None]
    now: Callable[[], datetime]
    entries: list[Entry] = field(default_factory=list)

    def begin(self, what: str, about: str, command: str) -> Entry:
        """Write down that something was asked for."""
        entry = Entry(self.now(), what, about, command)
        self.entries.append(entry)
        del self.entries[:-REMEMBERED]
        self.tell(entry)
        return entry

    def end(self, entry: Entry, ok: bool, message: str) -> None:
        """Write down what came of it."""
        entry.state, entry.message = State.DONE if ok else State.FAILED, message
        self.tell(entry)

    async def do(self, session: "Session", deed: Deed[R], item: R, values: Values) -> None:
        """Do something and keep its entry up to date."""
        entry = self.begin(deed.title, item.metadata.name, " ".join(deed.command(item, values)))

        def progress(percent: int | None, message: str) -> None:
            if (entry.percent, entry.message) != (percent, message):
                entry.percent, entry.message = percent, message
                self.tell(entry)

        try:
            outcome = await session.do(deed, item, values, progress)
        except HyperSDKError as error:
            self.end(entry, False, str(error))
        else:
            self.end(entry, outcome.ok, outcome.message)
