"""What a verb is: a name, a danger, when it applies, its parameters, and how it is done."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:  # the command line's --help reads the table, and has no time for the models
    from hypersdk.kube.client import Client
    from hypersdk.model.virtualmachine import VirtualMachine

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


@dataclass(frozen=True)
class Outcome:
    """What came of it, in words for a person; `ok` only when the effect was seen."""

    ok: bool
    message: str


class Progress(Protocol):
    """Told what is going on while a verb runs."""

    def __call__(self, percent: int | None, message: str) -> None: ...


Run: TypeAlias = "Callable[[Client, VirtualMachine, Values, Progress], Awaitable[Outcome]]"


@dataclass(frozen=True)
class Verb:
    """One thing to do to one VM. `run` raises HyperSDKError for a refusal and ends only after the effect was seen."""

    id: str
    """`vm.start`: the name in keymaps."""
    title: str
    help: str
    danger: Danger
    refusal: "Callable[[VirtualMachine], str]"
    """Why it makes no sense now; empty when it does."""
    run: Run
    params: tuple[Param, ...] = ()
    is_common: bool = True
    """Whether the console's line of keys has room for it; help and palette have all."""
    words: tuple[str, ...] = ()
    """The CLI's sub-commands where they are more than its word: `snapshot create`."""

    @property
    def word(self) -> str:
        """What it is called in one word, as the CLI's sub-command mostly is: `start` of `vm.start`."""
        return self.id.removeprefix("vm.")

    def applies(self, vm: "VirtualMachine") -> bool:
        """Whether it makes sense for the VM as it is now."""
        return not self.refusal(vm)

    def command(self, vm: "VirtualMachine", values: Values | None = None) -> list[str]:
        """The `hyperctl` line, as an argument list, that does the same."""
        said = self.words or (self.word,)
        words = ["hyperctl", "k8s", "vm", *said, vm.metadata.name, "-n", vm.metadata.namespace or "default"]
        for name, value in (values or {}).items():
            if value is True:
                words.append(f"--{name}")
            elif value is not False:
                words += [f"-{name}", str(value)]
        return words
