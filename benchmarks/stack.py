"""A local stack of the benchmarks' own, brought up by `hyperctl up` and removed afterwards."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Stack:
    """A running stack."""

    state: Path
    seconds_up: float = 0.0
    """From `hyperctl up` until both demo guests answered."""

    @property
    def environ(self) -> dict[str, str]:
        """What a user's shell has."""
        own = {"HYPERSDK_STATE": str(self.state), "KUBECONFIG": str(self.state / "kubeconfig"), "HEADLESS": "1"}
        return {**os.environ, "TERM": "xterm-256color", **own}

    @property
    def libvirt_uri(self) -> str:
        """The private libvirtd."""
        return f"qemu+unix:///system?socket={self.state / 'libvirt/run/libvirt-sock'}"

    def run(self, *words: str) -> str:
        """Run a program of ours (or of the system's) to its end; what it printed."""
        program = Path(sys.executable).with_name(words[0])
        command = [str(program) if program.exists() else words[0], *words[1:]]
        done = subprocess.run(command, env=self.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout


@contextmanager
def local_stack() -> Iterator[Stack]:
    """Up and, in the end, gone."""
    with tempfile.TemporaryDirectory(prefix="hb") as folder:
        Path(folder).chmod(0o711)
        stack = Stack(Path(folder) / "s")
        try:
            start = time.perf_counter()
            print(stack.run("hyperctl", "up"), file=sys.stderr)
            yield replace(stack, seconds_up=time.perf_counter() - start)
        finally:
            stack.run("hyperctl", "down", "--purge")
