"""What a verb is: a name, a danger, when it applies, its parameters, and how it is done."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, Literal, Protocol, TypeVar

if TYPE_CHECKING:  # the command line's --help reads the table, and has no time for the models
    from hypersdk.kube.client import Client
    from hypersdk.model.base import Resource
    from hypersdk.model.virtualmachine import VirtualMachine  # noqa: F401 (the base class of Verb names it)

R = TypeVar("R", bound="Resource")
Values = Mapping[str, str | int | bool]


class Danger(StrEnum):
    """How much is asked before it is done."""

    NONE = "none"
    CONFIRM = "confirm"
    """A yes or no: work in the guest may be interrupted."""
    NAME = "name"
    """The VM's name must be typed: something is lost for good."""


@dataclass(frozen=True)
class Param:
    """One parameter: `name` as the CLI spells its flag."""

    name: str
    type: Literal["str", "int", "bool"]
    help: str
    required: bool = False
    names: Literal["", "node", "snapshot"] = ""
    """What its value is the name of, where those that there are can be offered."""


@dataclass(frozen=True)
class Outcome:
    """What came of it, in words for a person; `ok` only when the effect was seen."""

    ok: bool
    message: str


class Progress(Protocol):
    """Told what is going on while a verb runs."""

    def __call__(self, percent: int | None, message: str) -> None: ...


@dataclass(frozen=True)
class Deed(Generic[R]):
    """One thing to do to one object. `run` raises HyperSDKError for a refusal and ends after the effect was seen."""

    id: str
    """`vm.start`: the name in keymaps."""
    title: str
    help: str
    danger: Danger
    refusal: Callable[[R], str]
    """Why it makes no sense now; empty when it does."""
    run: "Callable[[Client, R, Values, Progress], Awaitable[Outcome]]"
    params: tuple[Param, ...] = ()
    is_common: bool = True
    """Whether the console's line of keys has room for it; help and palette have all."""
    words: tuple[str, ...] = ()
    """The CLI's sub-commands where they are more than its word: `snapshot create`."""
    line: Callable[[R], Sequence[str]] | None = None
    """What follows `hyperctl k8s` where it is not `vm`, the words and the name."""

    @property
    def word(self) -> str:
        """What it is called in one word, as the CLI's sub-command mostly is: `start` of `vm.start`."""
        return self.id.partition(".")[2]

    @property
    def things(self) -> str:
        """What several of the objects are called."""
        kind = self.id.partition(".")[0]
        return {"vm": "VMs", "op": "operations"}.get(kind, f"{kind}s")

    def applies(self, item: R) -> bool:
        """Whether it makes sense for the object as it is now."""
        return not self.refusal(item)

    def command(self, item: R, values: Values | None = None) -> list[str]:
        """The `hyperctl` line, as an argument list, that does the same."""
        head = self.line(item) if self.line else ["vm", *(self.words or (self.word,)), item.metadata.name]
        words = ["hyperctl", "k8s", *head]
        if item.metadata.namespace:
            words += ["-n", item.metadata.namespace]
        for name, value in (values or {}).items():
            if value is True:
                words.append(f"--{name}")
            elif value is not False:
                words += [f"-{name}", str(value)]
        return words


class Verb(Deed["VirtualMachine"]):
    """One thing to do to a VM."""
