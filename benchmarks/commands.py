"""How long does somebody wait for a command? From the shell's fork to the last word."""

import resource
import time
from dataclasses import dataclass

from benchmarks.figures import Figure, median
from benchmarks.stack import Stack

TURNS = 7


def run(stack: Stack) -> list[Figure]:
    """The help, a list, and a VM until it runs; CPU time is what is promised, since load leaves it alone."""
    helped, listed = _took(stack, "--help"), _took(stack, "k8s", "vm", "list")
    return [
        Figure("command: hyperctl --help", helped.wall * 1000, "ms"),
        Figure("command: hyperctl --help, CPU time", helped.cpu * 1000, "ms", promise=150),
        Figure("command: hyperctl k8s vm list", listed.wall, "s"),
        Figure("command: hyperctl k8s vm list, CPU time", listed.cpu, "s", promise=0.8),
        Figure("command: hyperctl k8s vm create --wait, until Running was seen", _create(stack), "s"),
    ]


@dataclass(frozen=True)
class Took:
    """Seconds of a command, the middle of some."""

    wall: float
    cpu: float


def _took(stack: Stack, *words: str) -> Took:
    turns = [_once(stack, *words) for _ in range(TURNS)]
    return Took(median([turn.wall for turn in turns]), median([turn.cpu for turn in turns]))


def _once(stack: Stack, *words: str) -> Took:
    wall, cpu = time.perf_counter(), _cpu_of_children()
    stack.run("hyperctl", *words)
    return Took(time.perf_counter() - wall, _cpu_of_children() - cpu)


def _create(stack: Stack) -> float:
    took = []
    for turn in range(TURNS):
        words = ("-name", f"bench-{turn}", "-image", "demo", "-memory", "256Mi", "--wait")
        took.append(_once(stack, "k8s", "vm", "create", *words).wall)
        stack.run("hyperctl", "k8s", "vm", "delete", f"bench-{turn}")
    return median(took)


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
