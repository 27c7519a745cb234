"""What moved since somebody looked last."""

from dataclasses import dataclass, fields

from tui.cells import Key


@dataclass(frozen=True)
class Changes:
    """What moved since the last tick; with no keys at all, only the health did."""

    vms: frozenset[Key] = frozenset()
    """VMs that changed, or that an operation on them changed."""
    talk: frozenset[Key] = frozenset()
    """VMs about which an event or an operation was written."""
    nodes: frozenset[Key] = frozenset()
    operations: frozenset[Key] = frozenset()
    events: frozenset[Key] = frozenset()
    others: frozenset[tuple[str, Key]] = frozenset()
    """Objects of kinds that only some screens show, with the plural of their kind."""

    def of(self, plural: str) -> frozenset[Key]:
        """The objects of one of those kinds."""
        return frozenset(key for kind, key in self.others if kind == plural)

    def __or__(self, other: "Changes") -> "Changes":
        return Changes(*(getattr(self, one.name) | getattr(other, one.name) for one in fields(self)))
