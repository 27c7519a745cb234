"""Is the controller alive, and is it ready? Ready once it knows the API's objects and while libvirt answers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from controller.hypervisor.port import Hypervisor
from hypersdk.errors import Terminal, Transient

Check = Callable[[], Awaitable[str]]
"""What is wrong, in words; empty when nothing is."""
ANSWER_WITHIN_S = 3.0
NOBODY = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class Health:
    """The checks of readiness, by name."""

    checks: Mapping[str, Check]

    async def report(self) -> tuple[bool, str]:
        """Whether all is well, and a line each, as Kubernetes' own components write them."""
        answers = await asyncio.gather(*(check() for check in self.checks.values()))
        found = dict(zip(self.checks, answers, strict=True))
        lines = [f"[-]{name} failed: {words}" if words else f"[+]{name} ok" for name, words in found.items()]
        is_ready = not any(answers)
        return is_ready, "\n".join([*lines, f"readyz check {'passed' if is_ready else 'failed'}"]) + "\n"


def is_set(event: asyncio.Event, otherwise: Callable[[], str]) -> Check:
    """A check that something has happened."""

    async def check() -> str:
        return "" if event.is_set() else otherwise()

    return check


def answers(hypervisor: Hypervisor) -> Check:
    """A check that libvirt answers now: to the cheapest question that there is."""

    async def check() -> str:
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await hypervisor.observe(NOBODY)
        except TimeoutError:
            return f"libvirt has not answered in {ANSWER_WITHIN_S:.0f} s"
        except (Transient, Terminal) as error:
            return str(error)
        return ""

    return check
