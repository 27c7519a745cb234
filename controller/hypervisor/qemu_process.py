"""Which process is a domain's QEMU? From libvirt's pid file, or found by its command line; never taken on trust."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil

_SYSTEM_FOLDER = Path("/run/libvirt/qemu")


@dataclass(frozen=True)
class QemuProcess:
    """A running QEMU."""

    pid: int = 0
    started_at: float = 0.0


class QemuProcesses:
    """Finds the QEMU of a domain, and remembers it for as long as it runs."""

    def __init__(self, uri: str) -> None:
        self._folder = pid_folder(uri)
        self._known: dict[str, QemuProcess] = {}

    def of(self, uuid: str, name: str) -> QemuProcess:
        """The domain's process; pid 0 when there is none to be seen. Blocks."""
        known = self._known.get(uuid)
        # One that was not found is looked for again: it may have been on its way in or out.
        if known is None or not known.pid or _started_at(known.pid) != known.started_at:
            known = self._search(uuid, name)
            self._known[uuid] = known
        return known

    def forget(self, uuid: str) -> None:
        """The domain is off."""
        self._known.pop(uuid, None)

    def _search(self, uuid: str, name: str) -> QemuProcess:
        for pid in self._candidates(name):
            if _is_qemu_of(pid, uuid):
                return QemuProcess(pid, _started_at(pid))
        return QemuProcess()

    def _candidates(self, name: str) -> Iterator[int]:
        yield from _pid_in(self._folder / f"{name}.pid")
        # A libvirtd in a PID namespace of its own writes numbers that mean another process here.
        yield from psutil.pids()


def pid_folder(uri: str) -> Path:
    """Where the libvirtd behind a URI keeps its pid files: `qemu` beside its socket."""
    sockets = parse_qs(urlsplit(uri).query).get("socket")
    return Path(sockets[0]).parent / "qemu" if sockets else _SYSTEM_FOLDER


def _pid_in(file: Path) -> Iterator[int]:
    try:
        yield int(file.read_text())
    except (OSError, ValueError):
        return


def _is_qemu_of(pid: int, uuid: str) -> bool:
    try:
        command = psutil.Process(pid).cmdline()
    except (psutil.Error, ValueError):
        return False
    return "qemu" in "".join(command[:1]) and ("-uuid", uuid) in pairwise(command)


def _started_at(pid: int) -> float:
    try:
        return psutil.Process(pid).create_time() if pid else 0.0
    except psutil.Error:
        return 0.0
