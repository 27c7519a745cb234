"""Which processes have files of disks open? Read from /proc, for libvirt and QEMU tell it only of their own."""

import contextlib
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from hypersdk.model.diskchain import Opener

_PROC = Path("/proc")
_LONGEST_NAME = 80


def openers(paths: Collection[str]) -> dict[str, list[Opener]]:
    """By path; a process that ends meanwhile is left out. Blocks."""
    wanted, found = set(paths), dict[str, list[Opener]]()
    for process in _PROC.iterdir():
        if process.name.isdecimal():
            for path, mode in _opened(process, wanted).items():
                opener = Opener(pid=int(process.name), process=_name(process), mode="write" if mode else "read")
                found.setdefault(path, []).append(opener)
    return found


def _opened(process: Path, wanted: set[str]) -> dict[str, bool]:
    """Which of them the process has open, and whether to write."""
    found: dict[str, bool] = {}
    for number, path in _descriptors(process):
        if path in wanted:
            found[path] = found.get(path, False) or _writes(process, number)
    return found


def _descriptors(process: Path) -> Iterator[tuple[str, str]]:
    with contextlib.suppress(OSError):
        for name in os.listdir(process / "fd"):
            with contextlib.suppress(OSError):
                yield name, os.readlink(process / "fd" / name)


def _writes(process: Path, number: str) -> bool:
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = (process / "fdinfo" / number).read_text().splitlines()
        flags = next(line for line in lines if line.startswith("flags:"))
        return int(flags.split()[1], 8) & os.O_ACCMODE != os.O_RDONLY
    return False


def _name(process: Path) -> str:
    with contextlib.suppress(OSError):
        words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        guest = next((word for word in words if word.startswith("guest=")), "")
        name = Path(words[0]).name
        return f"{name} {guest.partition(',')[0].removeprefix('guest=')}".strip()[:_LONGEST_NAME]
    return ""
