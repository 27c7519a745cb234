"""How long does somebody wait for a command? From the shell's fork to the last word."""

import time

from benchmarks.figures import Figure, median
from benchmarks.stack import Stack

TURNS = 7


def run(stack: Stack) -> list[Figure]:
    """The help, a list, and a VM until it runs."""
    helped = _median(stack, "hyperctl", "--help")
    listed = _median(stack, "hyperctl", "k8s", "vm", "list")
    return [
        Figure("command: hyperctl --help", helped * 1000, "ms", promise=150),
        Figure("command: hyperctl k8s vm list", listed, "s", promise=0.8),
        Figure("command: hyperctl k8s vm create --wait, until Running was seen", _create(stack), "s"),
    ]


def _create(stack: Stack) -> float:
    took = []
    for turn in range(TURNS):
        words = ("-name", f"bench-{turn}", "-image", "demo", "-memory", "256Mi", "--wait")
        took.append(_seconds(stack, "hyperctl", "k8s", "vm", "create", *words))
        stack.run("hyperctl", "k8s", "vm", "delete", f"bench-{turn}")
    return median(took)


def _median(stack: Stack, *words: str) -> float:
    return median([_seconds(stack, *words) for _ in range(TURNS)])


def _seconds(stack: Stack, *words: str) -> float:
    start = time.perf_counter()
    stack.run(*words)
    return time.perf_counter() - start
