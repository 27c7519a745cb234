"""`make bench`: every figure, one line each; the exit code says whether each promise holds."""

import sys

from benchmarks import boot, console, emulator
from benchmarks.figures import Figure
from benchmarks.stack import local_stack


def main() -> int:
    """Measure and report."""
    figures = emulator.run()
    with local_stack() as stack:
        figures.append(Figure("up: from the command until both guests answer", stack.seconds_up, "s", promise=60))
        figures += console.run(stack)
        figures += boot.run(stack)
    print("\n".join(str(figure) for figure in figures))
    return 0 if all(figure.holds for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
