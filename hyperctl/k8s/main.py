"""`hyperctl k8s`: which function answers which words."""

import argparse
import importlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from hyperctl.k8s.grammar import parse

if TYPE_CHECKING:
    from hyperctl.k8s.session import Session

_ANSWERS: Final = {
    "vm list": "reading.list_objects",
    "vm get": "reading.get_object",
    "vm describe": "describing.describe",
    "vm events": "reading.events",
    "vm wait": "waiting.wait",
    "vm create": "creating.create_machine",
    "vm why": "why.why",
    "vm snapshot": "snapshots.answer",
    "vm disk": "chains.answer",
    "vm console": "console.console",
    "vm logs": "logs.logs",
    "vm screenshot": "screenshot.screenshot",
    "vm portforward": "forward.portforward",
    "node list": "reading.list_objects",
    "node get": "reading.get_object",
    "node cordon": "keeping.cordon",
    "node uncordon": "keeping.cordon",
    "op list": "reading.list_objects",
    "op get": "reading.get_object",
    "op cancel": "keeping.cancel_operation",
    "template list": "reading.list_objects",
    "template get": "reading.get_object",
    "template create": "templating.create_template",
    "backup list": "reading.list_objects",
    "backup get": "reading.get_object",
    "backup create": "backing_up.create",
    "backup verify": "backing_up.verify",
    "backup delete": "backing_up.delete",
    "schedule list": "reading.list_objects",
    "schedule suspend": "backing_up.suspend_schedule",
    "schedule resume": "backing_up.suspend_schedule",
    "schedule run": "backing_up.run_schedule",
    "schedule delete": "backing_up.delete_schedule",
    "restore list": "reading.list_objects",
    "restore get": "reading.get_object",
    "restore create": "restoring.create",
    "restore delete": "restoring.delete",
    "apply": "applying.apply",
}
"""Module and function by group and command; what is not here is a verb of the table."""


def run(words: list[str]) -> int:
    """Run one command line; the exit code. Raises HyperSDKError for the caller to say."""
    arguments = parse(words)
    from hyperctl.k8s.session import run as with_session  # after the parser: --help has no time for the client

    if arguments.command == "ssh":
        return _ssh(arguments)
    command = answering(arguments.group, arguments.command)

    async def work(session: "Session") -> int:
        return await command(session, arguments)

    return with_session(arguments, work)


def answering(group: str, command: str) -> "Callable[[Session, argparse.Namespace], Awaitable[int]]":
    """The command's function, imported only now."""
    module, _, name = _ANSWERS.get(f"{group} {command}".strip(), "acting.act").partition(".")
    found: Callable[[Session, argparse.Namespace], Awaitable[int]] = getattr(
        importlib.import_module(f"hyperctl.k8s.{module}"), name
    )
    return found


def _ssh(arguments: argparse.Namespace) -> int:
    """ssh takes the place of this process, after the connection is closed."""
    from hyperctl.k8s.session import run as with_session
    from hyperctl.k8s.ssh import replace_process, ssh_command

    found: list[str] = []

    async def work(session: "Session") -> int:
        found.extend(await ssh_command(session, arguments))
        return 0

    with_session(arguments, work)
    return replace_process(found)
