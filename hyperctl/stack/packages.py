"""Which OS packages does the stack need, and which of them are missing? One list, `deploy/os-packages.txt`."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hyperctl.stack.privilege import as_root
from hyperctl.stack.talk import Tell
from hypersdk.data import data_folder
from hypersdk.errors import HyperSDKError

_SYSTEM_FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_INSTALLED = "install ok installed"


@dataclass(frozen=True)
class Package:
    """One line of the list."""

    purpose: str
    name: str
    program: str
    """A program that shows that it is there; empty when none does."""


def parse(text: str) -> list[Package]:
    """The packages of the list."""
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [Package(purpose, name, program.removeprefix("-")) for purpose, name, program in lines]


def needed() -> list[Package]:
    """What running VMs takes."""
    listed = parse((data_folder("deploy") / "os-packages.txt").read_text())
    return [package for package in listed if package.purpose == "run"]


def missing(packages: Sequence[Package], dpkg_status: str | None, has: Callable[[str], bool]) -> list[str]:
    """The packages that dpkg does not have installed; where there is no dpkg, those whose program is not there."""
    if dpkg_status is None:
        return [package.name for package in packages if package.program and not has(package.program)]
    lines = (line.partition("\t") for line in dpkg_status.splitlines())
    installed = {name for name, _, status in lines if status == _INSTALLED}
    return [package.name for package in packages if package.name not in installed]


def ensure(tell: Tell) -> None:
    """Install what is missing; HyperSDKError with the command to type when that cannot be done here."""
    wanted = needed()
    lacking = missing(wanted, _dpkg_status(wanted), _has)
    if not lacking and (_has_lists() or not shutil.which("apt-get")):
        tell("all there")
        return
    if not shutil.which("apt-get"):
        raise HyperSDKError(f"this is no Debian: install what gives {' '.join(lacking)} and try again")
    _install(lacking, tell)
    tell("installed")


def _has_lists() -> bool:
    # The guest image is made of packages that apt looks up and downloads, and a slim Debian comes without lists.
    return any(Path("/var/lib/apt/lists").glob("*_Packages*"))


def _install(names: Sequence[str], tell: Tell) -> None:
    what = f"installing {' '.join(names)}" if names else "fetching the package lists"
    tell(what)
    prefix = as_root(what)
    quiet = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q")
    install = ("install", "--yes", "--no-install-recommends", *names)
    for command in (("update",), *([install] if names else [])):
        done = subprocess.run([*prefix, *quiet, *command], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise HyperSDKError(_refusal(names, (done.stderr or done.stdout).strip().splitlines()))


def _refusal(names: Iterable[str], said: Sequence[str]) -> str:
    last = "\n".join(f"    {line}" for line in said[-5:])
    return f"apt-get failed:\n{last}\n  Try as root: apt-get update && apt-get install {' '.join(names)}"


def _dpkg_status(packages: Sequence[Package]) -> str | None:
    query = ["dpkg-query", "--show", "--showformat", "${Package}\t${Status}\n", *(p.name for p in packages)]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return None


def _has(program: str) -> bool:
    path = os.pathsep.join((os.environ.get("PATH", ""), _SYSTEM_FOLDERS))
    return shutil.which(program, path=path) is not None
