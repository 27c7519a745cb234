"""Which rows a person wants to see: the filter as it is typed, the same grammar for every kind of row."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from hypersdk.model.base import Resource
    from hypersdk.model.virtualmachine import VirtualMachine

R = TypeVar("R", bound="Resource")
Texts = Callable[[R], list[str]]
HELP: Final = "text  ~fuzzy  ns:x  node:x  status:x  ip:x  label=value  !not"


@dataclass(frozen=True)
class Term:
    """One word of the filter."""

    field: str
    value: str
    inverse: bool = False


def terms(typed: str, fields: Mapping[str, object]) -> list[Term]:
    """The words; unfinished ones such as `ns:` and a lone `!` ask for nothing yet."""
    return [term for word in typed.split() if (term := _term(word, fields)).value]


def by_fields(fields: Mapping[str, Texts[R]]) -> Callable[[str], Callable[[R], bool]]:
    """The filter for objects with these fields: from what is typed to a test, in which every word must hold."""

    def asked(typed: str) -> Callable[[R], bool]:
        words = terms(typed, fields)
        return lambda item: all(_holds(word, item, fields) is not word.inverse for word in words)

    return asked


def is_fuzzy(typed: str, text: str) -> bool:
    """Whether the letters stand in the text in that order, with anything between them."""
    rest = iter(text)
    return all(letter in rest for letter in typed)


def _term(word: str, fields: Mapping[str, object]) -> Term:
    inverse, bare = word.startswith("!"), word.removeprefix("!")
    field, colon, value = bare.partition(":")
    if colon and field in fields:
        return Term(field, value.casefold(), inverse)
    if bare.startswith("~"):
        return Term("fuzzy", bare[1:].casefold(), inverse)
    if "=" in bare:
        return Term("label", bare, inverse)
    return Term("text", bare.casefold(), inverse)


def _holds(term: Term, item: R, fields: Mapping[str, Texts[R]]) -> bool:
    match term.field:
        case "label":
            name, _, value = term.value.partition("=")
            return (item.metadata.labels or {}).get(name) == value
        case "text":
            return any(term.value in text.casefold() for read in fields.values() for text in read(item))
        case "fuzzy":
            return is_fuzzy(term.value, item.metadata.name.casefold())
    return any(term.value in text.casefold() for text in fields[term.field](item))


VM_FIELDS: Final[Mapping[str, "Texts[VirtualMachine]"]] = {
    "name": lambda vm: [vm.metadata.name],
    "ns": lambda vm: [vm.metadata.namespace or ""],
    "node": lambda vm: [vm.status.node_name or ""],
    "status": lambda vm: [str(vm.phase)],
    "ip": lambda vm: vm.status.ip_addresses or [],
}
wanted: Final = by_fields(VM_FIELDS)
"""The filter of the VM list."""
