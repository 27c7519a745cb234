"""The verbs of the table as commands: progress on stderr, the outcome on stdout and in the exit code."""

import argparse
import sys

from hyperctl.exits import Exit
from hyperctl.k8s.session import Session
from hypersdk.errors import UsageError
from hypersdk.model.kinds import VIRTUAL_MACHINES
from hypersdk.plaintext import plain
from hypersdk.verbs.table import verb
from hypersdk.verbs.verb import Param, Values, Verb


class Teller:
    """Prints what a verb reports, each new sentence once."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, percent: int | None, message: str) -> None:
        """Print if it is news."""
        words = plain(message if percent is None else f"{message} ({percent} %)")
        if words != self._last:
            self._last = words
            print(f"· {words}", file=sys.stderr)


def _value(param: Param, given: str | bool | None) -> str | int | bool | None:
    if param.type != "int" or not isinstance(given, str):
        return given
    if not (given.isascii() and given.isdecimal() and len(given) <= 9):
        raise UsageError(f"-{param.name} {given}: write a whole number")
    return int(given)


async def act(session: Session, arguments: argparse.Namespace) -> int:
    """Do the verb and wait for its effect."""
    return await do(session, arguments, verb(arguments.command))


async def do(session: Session, arguments: argparse.Namespace, chosen: Verb) -> int:
    """Do that verb, with what the command line gives."""
    vm = await session.client.get(VIRTUAL_MACHINES, session.namespace, arguments.vm)
    given = {p.name: _value(p, getattr(arguments, p.name.replace("-", "_"))) for p in chosen.params}
    values: Values = {name: value for name, value in given.items() if value not in {None, False}}
    outcome = await chosen.run(session.client, vm, values, Teller())
    if outcome.ok:
        print(f"virtualmachine.hypersdk.io/{arguments.vm}: {plain(outcome.message)}")
        return Exit.OK
    print(f"hyperctl: {chosen.word} {arguments.vm} failed: {plain(outcome.message)}", file=sys.stderr)
    return Exit.FAILED
