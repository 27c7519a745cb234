"""`hyperctl __complete WORD…`: what could stand where the last word is begun?"""

import argparse
import asyncio
import os
import re
from collections.abc import Iterable, Sequence
from typing import Final

from hyperctl.k8s.grammar import grammar
from hyperctl.k8s.parser import OUTPUTS, Grammar
from hypersdk.errors import HyperSDKError

DEADLINE_S: Final = 2.0
"""A shell hangs while it waits for us."""
DEADLINE_VARIABLE: Final = "HYPERCTL_COMPLETION_TIMEOUT"
"""Other seconds, for who sits behind a slow link."""
_SAFE: Final = re.compile(r"[\w.@:/+=,-]+", re.ASCII)
"""What a shell reads as itself: a name that could be a command never gets to the command line."""
_WAITS: Final = ("condition=Ready", "phase=Running", "phase=Stopped", "jsonpath=", "delete")
_NAMED: Final = {"vm", "node", "op", "template", "backup", "schedule", "restore"}


def candidates(commands: Iterable[str], words: Sequence[str]) -> list[str]:
    """The words that fit, each safe to put on a command line; silence when there is any difficulty."""
    words = [word for word in words if word != "="] or [""]
    begun = words[-1]
    head, sign, tail = begun.partition("=") if begun.startswith("-") else ("", "", begun)
    before = [*words[:-1], head] if sign else list(words[:-1])
    try:
        found = _candidates(commands, before, tail if sign else begun)
    except (HyperSDKError, TimeoutError, BaseExceptionGroup):
        return []
    fit = sorted({word for word in found if word.startswith(tail if sign else begun) and _SAFE.fullmatch(word)})
    return [f"{head}={word}" for word in fit] if sign else fit


def _candidates(commands: Iterable[str], before: list[str], begun: str) -> Iterable[str]:
    if not before:
        return commands
    if before == ["completion"]:
        return ("bash", "zsh", "fish")
    return _of_k8s(before[1:], begun) if before[0] == "k8s" else ()


def _of_k8s(before: list[str], begun: str) -> Iterable[str]:
    """Walk down the grammar: commands, then options, their values, and names."""
    parser: argparse.ArgumentParser = grammar()
    group = ""
    rest = list(before)
    while (inside := _commands(parser)) is not None:
        if not rest:
            return inside
        word = rest.pop(0)
        if word not in inside:
            return ()
        group, parser = group or word, inside[word]
    return _of_command(parser, rest, begun)


def _commands(parser: argparse.ArgumentParser) -> dict[str, Grammar] | None:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return action.choices
    return None


def _of_command(parser: argparse.ArgumentParser, given: list[str], begun: str) -> Iterable[str]:
    options = {name: action for action in parser._actions for name in action.option_strings}
    values: dict[str, str] = {}
    positionals = 0
    open_option: argparse.Action | None = None
    for word in given:
        if open_option is not None:
            values[open_option.dest] = word
            open_option = None
        elif (action := options.get(word.partition("=")[0])) is not None:
            _name, sign, value = word.partition("=")
            values |= {action.dest: value} if sign else {}
            open_option = action if action.nargs != 0 and not sign else None
        else:
            positionals += 1
    if open_option is not None:
        return _values(open_option, values)
    if begun.startswith("-"):
        return _spellings(parser, begun)
    wanted = [action for action in parser._actions if not action.option_strings][positionals:]
    return _values(wanted[0], values) if wanted else ()


def _deadline() -> float:
    given = os.environ.get(DEADLINE_VARIABLE, "")
    return float(given) if given.isascii() and given.isdecimal() else DEADLINE_S


def _spellings(parser: argparse.ArgumentParser, begun: str) -> Iterable[str]:
    """Each option once, in its longest spelling that goes on from what was typed."""
    for action in parser._actions:
        fit = [name for name in action.option_strings if name.startswith(begun)]
        yield from sorted(fit, key=len)[-1:]


def _values(action: argparse.Action, values: dict[str, str]) -> Iterable[str]:
    if action.dest == "output" and not action.choices:
        return OUTPUTS if action.metavar == "FORM" else ()
    if action.dest == "awaited":
        return _WAITS
    if action.choices is not None:
        return [str(one) for one in action.choices]
    asked = {"from_template": "template", "from": "backup", "base": "backup"}.get(action.dest, action.dest)
    if asked in _NAMED | {"namespace", "context"}:
        from hyperctl.k8s import names

        return asyncio.run(names.known(asked, values, _deadline()))
    return ()
