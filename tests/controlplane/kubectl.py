"""kubectl as a person runs it, with an empty home, against one API server."""

import json
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO

from hypersdk.model.base import JsonObject

TIMEOUT_S = 40.0


class Refused(AssertionError):
    """kubectl failed; the message is what it wrote to stderr."""


@dataclass(frozen=True)
class Following:
    """The lines of a kubectl that goes on, as they come."""

    lines: SimpleQueue[str]

    def until(self, word: str, seconds: float = TIMEOUT_S) -> str:
        """The next line that has the word in it."""
        seen: list[str] = []
        try:
            while not seen or word not in seen[-1]:
                seen.append(self.lines.get(timeout=seconds))
        except Empty as error:
            raise AssertionError(f"no line with {word!r} came; these did: {seen}") from error
        return seen[-1]


@dataclass(frozen=True)
class Kubectl:
    """Runs kubectl; `home` keeps its discovery cache away from everybody else's."""

    program: Path
    kubeconfig: Path
    home: Path
    namespace: str = ""
    context: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)

    def within(self, namespace: str) -> "Kubectl":
        """The same, in another namespace."""
        return replace(self, namespace=namespace)

    def __call__(self, *arguments: str | Path, stdin: str = "", timeout: float = TIMEOUT_S) -> str:
        """What it wrote to stdout; Refused when it failed."""
        done = subprocess.run(
            self._command(arguments), input=stdin, capture_output=True, text=True, env=self._environ, timeout=timeout
        )
        if done.returncode != 0:
            raise Refused(done.stderr)
        return done.stdout

    def json(self, *arguments: str | Path) -> JsonObject:
        """What it wrote with `-o json`."""
        answer: JsonObject = json.loads(self(*arguments, "-o", "json"))
        return answer

    def apply(self, manifest: JsonObject | str, *arguments: str) -> str:
        """Apply an object, or the text of a manifest, under strict validation."""
        text = manifest if isinstance(manifest, str) else json.dumps(manifest)
        return self("apply", "--validate=strict", *arguments, "-f", "-", stdin=text)

    def diff(self, manifest: JsonObject, *arguments: str) -> str:
        """What `kubectl diff` shows; empty when applying the object would change nothing."""
        command = self._command(("diff", *arguments, "-f", "-"))
        done = subprocess.run(
            command, input=json.dumps(manifest), capture_output=True, text=True, env=self._environ, timeout=TIMEOUT_S
        )
        if done.returncode not in {0, 1}:
            raise Refused(done.stderr)
        return done.stdout

    def edit(self, *arguments: str, editor: str) -> str:
        """Edit with a program that is no person."""
        edited = replace(self, environ={"KUBE_EDITOR": editor})
        return edited("edit", *arguments)

    @contextmanager
    def following(self, *arguments: str) -> Iterator[Following]:
        """Run it for as long as the block lasts, such as `get vm -w`."""
        lines: SimpleQueue[str] = SimpleQueue()
        with subprocess.Popen(
            self._command(arguments), stdout=subprocess.PIPE, text=True, env=self._environ
        ) as running:
            assert running.stdout is not None
            reader = threading.Thread(target=_read, args=(running.stdout, lines))
            reader.start()
            try:
                yield Following(lines)
            finally:
                running.terminate()
                reader.join()

    def _command(self, arguments: tuple[str | Path, ...]) -> list[str]:
        where = ["--kubeconfig", str(self.kubeconfig)]
        where += ["--namespace", self.namespace] if self.namespace else []
        where += ["--context", self.context] if self.context else []
        return [str(self.program), *where, *map(str, arguments)]

    @property
    def _environ(self) -> dict[str, str]:
        return {"HOME": str(self.home), "PATH": "/usr/bin:/bin", **self.environ}


def _read(out: IO[str], lines: SimpleQueue[str]) -> None:
    for line in out:
        lines.put(line)
