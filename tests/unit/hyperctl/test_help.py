"""Help is cheap, and each command's has an example that is understood and the exit codes."""

import argparse
import re
import resource
import shlex
import subprocess
import sys

import pytest

from hyperctl.k8s.grammar import grammar, parse
from hyperctl.k8s.main import answering

HEAVY = ("asyncio", "pydantic", "yaml", "aiohttp", "kubernetes_asyncio", "textual", "libvirt")


def _commands(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    inside = [
        one for a in parser._actions if isinstance(a, argparse._SubParsersAction) for one in set(a.choices.values())
    ]
    return [leaf for one in inside for leaf in _commands(one)] or [parser]


def test_every_commands_help_has_an_example_and_the_exit_codes() -> None:
    for command in _commands(grammar()):
        text = command.format_help()
        example = re.search(r"example:\n  hyperctl k8s (.*)\n", text)
        assert example, command.prog
        parsed = parse(shlex.split(example[1]))
        assert getattr(parsed, "deed", parsed.command) in {command.prog.split()[-1], ""}
        assert "exit codes:\n  0    done\n" in text


def test_every_command_has_its_function() -> None:
    for command in _commands(grammar()):
        _, _, group, *word = command.prog.split()
        assert callable(answering(group, " ".join(word)))


@pytest.mark.parametrize("words", [["--help"], ["k8s", "vm", "--help"], ["k8s", "vm", "list", "--help"]])
def test_help_loads_nothing_heavy_and_takes_little(words: list[str]) -> None:
    code = (
        "import sys, atexit; from hyperctl.main import main; "
        f"atexit.register(lambda: print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)); main({words!r})"
    )
    taken = []
    for _ in range(3):  # the first may have to compile
        before = _processor_time()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        taken.append(_processor_time() - before)
        assert done.stderr == "[]\n"
        assert done.stdout.startswith("usage: hyperctl")
    assert min(taken) < 0.15, "of the processor's time: what a clock shows when the machine does nothing else"


def _processor_time() -> float:
    """What the processes that this one has started took, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
