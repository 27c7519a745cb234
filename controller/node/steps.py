"""The things that can be done to a domain, as values; `plan` chooses them, `apply` does them."""

from dataclasses import dataclass
from typing import Literal

from controller.domain.desired import DesiredDomain
from controller.hypervisor.port import Power
from controller.node.live import LiveChange


@dataclass(frozen=True)
class Define:
    """Make the definition, or another one in its place."""

    desired: DesiredDomain
    power: Power
    again: bool = False


@dataclass(frozen=True)
class SetPower:
    """Write down what is wanted of the power."""

    power: Power


@dataclass(frozen=True)
class Start:
    """Power on, with the CPUs still held."""


@dataclass(frozen=True)
class AttachConsole:
    """Have the console read from here on."""


@dataclass(frozen=True)
class Resume:
    """Let the CPUs run."""

    again: bool = False
    """They ran before, and were held."""


@dataclass(frozen=True)
class Suspend:
    """Hold the CPUs."""


@dataclass(frozen=True)
class AskShutdown:
    """Ask the guest to power itself off."""

    mode: Literal["agent", "acpi"]


@dataclass(frozen=True)
class Destroy:
    """Cut the power."""

    why: str


@dataclass(frozen=True)
class Undefine:
    """Remove the definition."""


PowerStep = Define | SetPower | Start | AttachConsole | Resume | Suspend | AskShutdown | Destroy | Undefine
"""What a domain's life is made of."""


@dataclass(frozen=True)
class ChangeLive:
    """Change the running guest."""

    change: LiveChange


Step = PowerStep | ChangeLive
