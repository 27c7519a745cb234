"""What is a diagnosis? One short sentence, what mends it, and the chain of findings behind it."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """Where something was found, from the wish down to what runs."""

    OBJECT = "object"
    OPERATION = "operation"
    NODE = "node"
    LIBVIRT = "libvirt"
    QEMU = "qemu"
    GUEST = "guest"


class Verdict(StrEnum):
    """How it is there."""

    WELL = "well"
    BUSY = "busy"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Link:
    """What was found at one level."""

    level: Level
    verdict: Verdict
    words: str
    detail: tuple[str, ...] = ()
    """Further lines: libvirt's own words, the end of QEMU's log."""


@dataclass(frozen=True)
class Mend:
    """What helps: a verb of the table where there is one, and words where a person has to do more."""

    verb: str = ""
    """The id of the verb, `vm.start`; empty when none helps."""
    force: bool = False
    """Whether it helps only with `force`."""
    advice: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """Why a VM is not well."""

    sentence: str
    """The shortest answer."""
    verdict: Verdict
    mend: Mend
    chain: tuple[Link, ...]
