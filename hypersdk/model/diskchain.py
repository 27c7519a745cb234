"""The files that a VM's disks are made of, as its node finds them: the answer to `disks`."""

from typing import Literal

from hypersdk.model.base import Model


class Opener(Model):
    """A process that has a file open."""

    pid: int
    process: str
    """Its name, and the VM's where it is QEMU."""
    mode: Literal["read", "write"]


class DiskLayer(Model):
    """One file of a disk."""

    file: str
    stands_on: str = ""
    depth: int = 0
    """How many files lie below it."""
    size_bytes: int = 0
    """The room that it takes."""
    written: bool = False
    """Whether it is the one that the VM writes to."""
    snapshots: list[str] = []
    """Those that it is frozen for."""
    opened_by: list[Opener] = []
    problem: str = ""
    """What is wrong with it."""


class DiskChain(Model):
    """All files of one disk, what is below first."""

    name: str
    device: str = ""
    layers: list[DiskLayer] = []


class DiskChains(Model):
    """All disks of a VM."""

    disks: list[DiskChain] = []
    problem: str = ""
    """Why the VM is not defined or started over these files; empty when it may be."""
