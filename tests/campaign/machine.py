"""One VM of the campaign: what it should be by now, and how often it should have been started."""

from dataclasses import dataclass, field
from enum import StrEnum


class Expected(StrEnum):
    """What a VM is to be once everything that was asked for is done."""

    ABSENT = "absent"
    RUNNING = "running"
    STOPPED = "stopped"
    PAUSED = "paused"


@dataclass
class Machine:
    """A VM that things are done to; after a deletion it begins anew under another name."""

    base: str
    generation: int = 0
    state: Expected = Expected.ABSENT
    uid: str = ""
    boots: int = 0
    """How many QEMU processes it has had so far, by what was asked for."""
    mute: bool = False
    """Its firmware never comes to the boot sector."""
    pid: int = 0
    """The QEMU that was seen last; 0 when it is to be off, or to be another one."""
    operations: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Its name now."""
        return f"{self.base}-{self.generation}"
