"""Who may type into a console, of everybody who watches it, and who has asked to? Pure."""

from dataclasses import dataclass, field


@dataclass
class Seats:
    """One writer, and those who wait for their turn, by session number; whoever only watches is not here."""

    writer: int | None = None
    waiting: list[int] = field(default_factory=list)
    asker: int | None = None
    """Who of those who wait has asked the writer for the keyboard, and has no answer yet."""

    def join(self, session: int) -> None:
        """Somebody who may write comes: the first one writes."""
        if self.writer is None:
            self.writer = session
        else:
            self.waiting.append(session)

    def ask(self, session: int) -> bool:
        """Somebody who waits asks the writer; False when there is nothing to ask for, or somebody asks already."""
        if session not in self.waiting or self.asker is not None:
            return False
        self.asker = session
        return True

    def refuse(self) -> int | None:
        """The writer goes on writing; the session that had asked."""
        asker, self.asker = self.asker, None
        return asker

    def take(self, session: int) -> bool:
        """Somebody who waits takes over; the old writer waits behind everybody else. False when nothing changed."""
        if session not in self.waiting:
            return False
        self.waiting.remove(session)
        if self.writer is not None:
            self.waiting.append(self.writer)
        self._sit(session)
        return True

    def leave(self, session: int) -> None:
        """Somebody goes; when it was the writer, who asked writes, else whoever waits longest."""
        if session in self.waiting:
            self.waiting.remove(session)
        if session == self.asker:
            self.asker = None
        if session == self.writer:
            self._sit(self._next())

    def _next(self) -> int | None:
        if self.asker is not None:
            self.waiting.remove(self.asker)
            return self.asker
        return self.waiting.pop(0) if self.waiting else None

    def _sit(self, session: int | None) -> None:
        self.writer, self.asker = session, None
