"""`vm wait NAME --for=…`: until something is so, or time is up."""

import argparse
import asyncio
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass

from hyperctl.exits import Exit
from hyperctl.k8s.acting import Teller
from hyperctl.k8s.jsonpath import template
from hyperctl.k8s.jsonpath_values import render
from hyperctl.k8s.output import faithful, reason
from hyperctl.k8s.session import Session
from hypersdk.errors import NotFound, UsageError
from hypersdk.model.base import condition
from hypersdk.model.kinds import VIRTUAL_MACHINES
from hypersdk.model.virtualmachine import Phase, VirtualMachine
from hypersdk.plaintext import plain
from hypersdk.verbs.operation import until
from hypersdk.verbs.verb import Outcome

_UNITS = {"s": 1, "m": 60, "h": 3600, "": 1}
FORMS = "condition=Ready, phase=Running, jsonpath={.status.nodeName}=node-1 or delete"


@dataclass(frozen=True)
class Awaited:
    """What is waited for: whether it is so, and how it is now."""

    holds: Callable[[VirtualMachine], bool]
    now: Callable[[VirtualMachine], str]
    deleted: bool = False


async def wait(session: Session, arguments: argparse.Namespace) -> int:
    """Wait; 1 when it did not come about in time, with how it is now."""
    what, seconds = awaited(arguments.awaited), duration(arguments.timeout)
    name = arguments.vm
    try:
        last = await session.client.get(VIRTUAL_MACHINES, session.namespace, name)
    except NotFound:
        if what.deleted:
            return _met(name, arguments.awaited)
        raise
    uid = last.metadata.uid

    def decide(vm: VirtualMachine | None) -> Outcome | None:
        nonlocal last
        if vm is None or vm.metadata.uid != uid:
            return Outcome(what.deleted, "it was deleted")
        last = vm
        return Outcome(True, "") if what.holds(vm) else None

    try:
        async with asyncio.timeout(seconds):
            outcome = await until(
                session.client, VIRTUAL_MACHINES, (session.namespace, name), decide, progress=Teller()
            )
    except TimeoutError:
        outcome = Outcome(False, f"not within {arguments.timeout}: {what.now(last)}")
    if outcome.ok:
        return _met(name, arguments.awaited)
    print(f"hyperctl: wait for {arguments.awaited} of {name}: {plain(outcome.message)}", file=sys.stderr)
    return Exit.FAILED


def _met(name: str, what: str) -> int:
    print(f"virtualmachine.hypersdk.io/{name} {'deleted' if what == 'delete' else f'met {what}'}")
    return Exit.OK


def awaited(text: str) -> Awaited:
    """What `--for` says; UsageError when it makes no sense."""
    kind, _, rest = text.partition("=")
    match kind:
        case "delete" if not rest:
            return Awaited(lambda vm: False, lambda vm: f"it is still there, {vm.phase}", deleted=True)
        case "condition" if rest:
            return _condition(rest)
        case "phase" if rest:
            return _phase(rest)
        case "jsonpath" if rest:
            return _jsonpath(rest)
    raise UsageError(f"--for {text}: write {FORMS}")


def _condition(text: str) -> Awaited:
    kind, _, status = text.partition("=")
    wanted = (status or "True").lower()

    def now(vm: VirtualMachine) -> str:
        found = condition(vm.status.conditions, kind)
        why = ": ".join(filter(None, (found.reason, found.message))) if found else "nobody has told yet"
        return f"{kind} is {found.status if found else 'unknown'} ({why}); the VM is {vm.phase}"

    def holds(vm: VirtualMachine) -> bool:
        found = condition(vm.status.conditions, kind)
        return found is not None and found.status.lower() == wanted

    return Awaited(holds, now)


def _phase(text: str) -> Awaited:
    wanted = next((phase for phase in Phase if phase.lower() == text.lower()), None)
    if wanted is None:
        raise UsageError(f"--for phase={text}: there is no such phase; there are: {', '.join(Phase)}")
    return Awaited(lambda vm: vm.phase is wanted, lambda vm: ". ".join(filter(None, (f"it is {vm.phase}", reason(vm)))))


def _jsonpath(text: str) -> Awaited:
    closed = text.rfind("}") + 1
    path, _, value = (text[:closed], "", text[closed:].removeprefix("=")) if closed else text.partition("=")
    parts = template(path)

    def holds(vm: VirtualMachine) -> bool:
        printed = render(parts, faithful(vm))
        return printed == value if value else bool(printed)

    return Awaited(holds, lambda vm: f"{path} is {render(parts, faithful(vm))!r}")


def duration(text: str) -> float:
    """Seconds of `90s`, `5m`, `1h`."""
    found = re.fullmatch(r"(\d{1,6})([smh]?)", text, re.ASCII)
    if not found:
        raise UsageError(f"-timeout {text}: write a number with s, m or h, such as 90s or 5m")
    return int(found[1]) * _UNITS[found[2]]
