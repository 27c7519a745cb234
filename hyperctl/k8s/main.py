"""`hyperctl k8s`: which function answers which words."""

import argparse
from collections.abc import Awaitable, Callable

from hyperctl.k8s.grammar import parse
from hyperctl.k8s.session import Session
from hyperctl.k8s.session import run as with_session

Command = Callable[[Session, argparse.Namespace], Awaitable[int]]


def run(words: list[str]) -> int:
    """Run one command line; the exit code. Raises HyperSDKError for the caller to say."""
    arguments = parse(words)
    if arguments.command == "ssh":
        return _ssh(arguments)
    command = _command(arguments.command)

    async def work(session: Session) -> int:
        return await command(session, arguments)

    return with_session(arguments, work)


def _command(word: str) -> Command:
    """The command's function, imported only now."""
    match word:
        case "list" | "get":
            from hyperctl.k8s import reading

            return reading.list_machines if word == "list" else reading.get_machine
        case "create":
            from hyperctl.k8s.creating import create_machine

            return create_machine
        case "why":
            from hyperctl.k8s.why import why

            return why
        case "console":
            from hyperctl.k8s.console import console

            return console
        case "logs":
            from hyperctl.k8s.logs import logs

            return logs
        case "screenshot":
            from hyperctl.k8s.screenshot import screenshot

            return screenshot
        case "portforward":
            from hyperctl.k8s.forward import portforward

            return portforward
        case _:
            from hyperctl.k8s.acting import act

            return act


def _ssh(arguments: argparse.Namespace) -> int:
    """ssh takes the place of this process, after the connection is closed."""
    from hyperctl.k8s.ssh import replace_process, ssh_command

    found: list[str] = []

    async def work(session: Session) -> int:
        found.extend(await ssh_command(session, arguments))
        return 0

    with_session(arguments, work)
    return replace_process(found)
