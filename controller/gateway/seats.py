"""Who may type into a console, of everybody who watches it? Pure."""

from dataclasses import dataclass, field


@dataclass
class Seats:
    """One writer, and those who wait for their turn, by session number; whoever only watches is not here."""

    writer: int | None = None
    waiting: list[int] = field(default_factory=list)

    def join(self, session: int) -> None:
        """Somebody who may write comes: the first one writes."""
        if self.writer is None:
            self.writer = session
        else:
            self.waiting.append(session)

    def take(self, session: int) -> bool:
        """Somebody who waits takes over; the old writer waits behind everybody else. False when nothing changed."""
        if session not in self.waiting:
            return False
        self.waiting.remove(session)
        if self.writer is not None:
            self.waiting.append(self.writer)
        self.writer = session
        return True

    def leave(self, session: int) -> None:
        """Somebody goes; when it was the writer, whoever waits longest writes."""
        if session == self.writer:
            self.writer = self.waiting.pop(0) if self.waiting else None
        elif session in self.waiting:
            self.waiting.remove(session)
