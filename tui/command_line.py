"""What does a line typed after `:` ask for? k9s' grammar: a list, a namespace, a context, a verb, a VM."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hypersdk.verbs.table import VERBS
from tui.workspace import ALL

LISTS: Final = {
    "vms": ("vm", "vms", "virtualmachine", "virtualmachines"),
    "nodes": ("node", "nodes", "no", "vmnode"),
    "operations": ("op", "ops", "operations", "vmop"),
    "events": ("events", "event", "ev"),
    "snapshots": ("snap", "snaps", "snapshots", "vmsnapshot", "vmsnap"),
    "templates": ("template", "templates", "vmtemplate", "vmt"),
    "backups": ("backup", "backups", "backupjob", "bj"),
    "schedules": ("schedule", "schedules", "backupschedule", "bs"),
    "restores": ("restores", "restorejob", "restorejobs", "rj"),
}
"""The lists, and the words that show them."""
_EVERYWHERE: Final = frozenset({"all", "*", "-A"})


@dataclass(frozen=True)
class Nothing:
    """An empty line."""


@dataclass(frozen=True)
class Quit:
    """Leave the console."""


@dataclass(frozen=True)
class Help:
    """Show the keys."""


@dataclass(frozen=True)
class Show:
    """Show a list, filtered where something was asked for."""

    list: str
    filter: str = ""


@dataclass(frozen=True)
class ToNamespace:
    """Switch the namespace; None to choose from a list."""

    name: str | None


@dataclass(frozen=True)
class ToContext:
    """Switch the context; None to choose from a list."""

    name: str | None


@dataclass(frozen=True)
class Open:
    """Open one VM, in one of the detail's tabs."""

    vm: str
    tab: str = "overview"


@dataclass(frozen=True)
class Ask:
    """Do a verb, to these VMs or to those that are marked."""

    verb: str
    vms: tuple[str, ...]


@dataclass(frozen=True)
class Unknown:
    """Nothing that there is; with the words to say so."""

    words: str


Order = Nothing | Quit | Help | Show | ToNamespace | ToContext | Open | Ask | Unknown


def order(typed: str, vms: Sequence[str]) -> Order:
    """What the line asks for; `vms` are the names that can be jumped to."""
    head, *rest = typed.split() or [""]
    if not head:
        return Nothing()
    simple = _simple(head)
    if simple is not None:
        return simple
    if shown := next((name for name, words in LISTS.items() if head in words), None):
        return Show(shown, " ".join(rest).removeprefix("/"))
    match head:
        case "ns" | "namespace":
            return ToNamespace(_place(rest))
        case "ctx" | "context":
            return ToContext(rest[0] if rest else None)
        case "console" | "yaml" | "metrics" | "log" if rest:
            return Open(rest[0], head)
    if found := next((verb for verb in VERBS if verb.word == head), None):
        return Ask(found.id, tuple(rest))
    return Open(head) if head in vms else Unknown(f"there is no command or VM {head!r}; {_known()}")


def completions(typed: str, vms: Sequence[str], namespaces: Sequence[str], contexts: Sequence[str]) -> list[str]:
    """Whole lines that begin with what is typed, the likeliest first."""
    head, blank, begun = typed.partition(" ")
    if not blank:
        return [word for word in (*_words(), *vms) if word.startswith(head) and word != head]
    names: Sequence[str] = vms
    if head in {"ns", "namespace"}:
        names = [*namespaces, "all"]
    elif head in {"ctx", "context"}:
        names = contexts
    *done, last = begun.split(" ")
    return [" ".join([head, *done, name]) for name in names if name.startswith(last) and name != last]


def _simple(head: str) -> Order | None:
    if head in {"q", "quit", "q!", "exit"}:
        return Quit()
    return Help() if head in {"help", "?", "h"} else None


def _place(rest: Sequence[str]) -> str | None:
    if not rest:
        return None
    return ALL if rest[0] in _EVERYWHERE else rest[0]


def _words() -> tuple[str, ...]:
    lists = tuple(words[0] for words in LISTS.values())
    return (*lists, "ns", "ctx", "console", *(verb.word for verb in VERBS), "help", "q")


def _known() -> str:
    return "there are: " + ", ".join(_words())
