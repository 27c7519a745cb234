"""Which VMs a person wants to see: the filter as it is typed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from hypersdk.model.virtualmachine import VirtualMachine

Wanted = Callable[[VirtualMachine], bool]
HELP: Final = "text  ns:x  node:x  status:x  ip:x  label=value  !not"


@dataclass(frozen=True)
class Term:
    """One word of the filter."""

    field: str
    value: str
    inverse: bool = False


def terms(typed: str) -> list[Term]:
    """The words; unfinished ones such as `ns:` and a lone `!` ask for nothing yet."""
    return [term for word in typed.split() if (term := _term(word)).value]


def wanted(typed: str) -> Wanted:
    """A test for VMs: every word must hold."""
    asked = terms(typed)
    return lambda vm: all(_holds(term, vm) is not term.inverse for term in asked)


def _term(word: str) -> Term:
    inverse, bare = word.startswith("!"), word.removeprefix("!")
    field, colon, value = bare.partition(":")
    if colon and field in _FIELDS:
        return Term(field, value.casefold(), inverse)
    if "=" in bare:
        return Term("label", bare, inverse)
    return Term("text", bare.casefold(), inverse)


def _holds(term: Term, vm: VirtualMachine) -> bool:
    match term.field:
        case "label":
            name, _, value = term.value.partition("=")
            return bool(vm.metadata.labels) and (vm.metadata.labels or {}).get(name) == value
        case "text":
            return any(term.value in text.casefold() for read in _FIELDS.values() for text in read(vm))
    return any(term.value in text.casefold() for text in _FIELDS[term.field](vm))


_FIELDS: Final[Mapping[str, Callable[[VirtualMachine], list[str]]]] = {
    "name": lambda vm: [vm.metadata.name],
    "ns": lambda vm: [vm.metadata.namespace or ""],
    "node": lambda vm: [vm.status.node_name or ""],
    "status": lambda vm: [str(vm.phase)],
    "ip": lambda vm: vm.status.ip_addresses or [],
}
