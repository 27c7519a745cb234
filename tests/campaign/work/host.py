"""What does a libvirtd say of a guest, asked beside the controller? Through QEMU's monitor where it has to be."""

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from xml.etree.ElementTree import Element, fromstring

import libvirt
import libvirt_qemu

T = TypeVar("T")
_HMP = 1
AGENT_WITHIN_S = 10


@dataclass
class Host:
    """One libvirtd; every call blocks in a thread of its own."""

    connection: libvirt.virConnect

    @classmethod
    def at(cls, uri: str) -> "Host":
        """Connect."""
        return cls(libvirt.open(uri))

    def close(self) -> None:
        """Disconnect."""
        self.connection.close()

    async def tips(self, uid: str) -> list[Path]:
        """The file that each of its disks is written to, by libvirt's own definition."""
        return await self._of(uid, lambda domain: _files(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)))

    async def sizes(self, uid: str) -> tuple[int, int]:
        """CPUs and KiB of memory of the running guest."""
        return await self._of(uid, lambda domain: (domain.vcpusFlags(libvirt.VIR_DOMAIN_AFFECT_LIVE), domain.info()[1]))

    async def capacity(self, uid: str, dev: str) -> int:
        """Bytes of a disk as the guest sees it."""
        return await self._of(uid, lambda domain: int(domain.blockInfo(dev)[0]))

    async def write(self, uid: str, patterns: Iterable[tuple[int, str]]) -> None:
        """Have QEMU write to its first, second, ... disk as the guest would: a byte, and `OFFSET LENGTH`; then flush.

        Where there is nothing to write the disk is flushed alone.
        """
        await self._of(uid, lambda domain: _write(domain, list(patterns)))

    async def is_thawed(self, uid: str) -> bool:
        """Whether its agent says that no file system is held."""
        return await self._of(uid, lambda domain: _agent(domain, "guest-fsfreeze-status") == "thawed")

    async def remains(self, uid: str) -> set[str]:
        """What an operation has left in libvirt or in QEMU: jobs, exports, snapshots, saved memory."""
        return await self._of(uid, _remains)

    async def checkpoints(self, uid: str) -> int:
        """How many marks of changes there are."""
        return await self._of(uid, lambda domain: int(domain.listAllCheckpoints().__len__()))

    async def is_known(self, uid: str) -> bool:
        """Whether it has such a domain at all."""
        return await self._has(uid, lambda _: True)

    async def is_running(self, uid: str) -> bool:
        """Whether there is such a domain, and its CPUs run."""
        return await self._has(uid, lambda domain: bool(domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING))

    async def _has(self, uid: str, holds: Callable[[libvirt.virDomain], bool]) -> bool:
        def found() -> bool:
            there = self.connection.listAllDomains()
            return any(holds(domain) for domain in there if domain.UUIDString() == uid)

        return await asyncio.to_thread(found)

    async def _of(self, uid: str, ask: Callable[[libvirt.virDomain], T]) -> T:
        return await asyncio.to_thread(lambda: ask(self.connection.lookupByUUIDString(uid)))


def _files(xml: str) -> list[Path]:
    disks: Iterable[Element] = fromstring(xml).findall("devices/disk[@device='disk']/source")
    return [Path(disk.attrib["file"]) for disk in disks]


def _asked(domain: libvirt.virDomain, command: str) -> list[dict[str, str]]:
    said = json.loads(libvirt_qemu.qemuMonitorCommand(domain, json.dumps({"execute": command}), 0))
    found: list[dict[str, str]] = said["return"]
    return found


def _write(domain: libvirt.virDomain, patterns: list[tuple[int, str]]) -> None:
    drives = [drive["qdev"] for drive in _asked(domain, "query-block") if "disk" in drive.get("qdev", "")]
    for drive, (byte, where) in zip(drives, patterns, strict=True):
        for what in ([f"write -P {byte} {where}"] if where else []) + ["flush"]:
            said = libvirt_qemu.qemuMonitorCommand(domain, f'qemu-io -d {drive} "{what}"', _HMP)
            assert "rror" not in said, said


def _agent(domain: libvirt.virDomain, command: str) -> str:
    said = libvirt_qemu.qemuAgentCommand(domain, json.dumps({"execute": command}), AGENT_WITHIN_S, 0)
    return str(json.loads(said)["return"])


def _remains(domain: libvirt.virDomain) -> set[str]:
    found = {f"libvirt's snapshot {one.getName()}" for one in domain.listAllSnapshots()}
    if domain.hasManagedSaveImage():
        found.add("saved memory")
    if domain.isActive():
        found |= {f"job {domain.jobInfo()[0]}"} if domain.jobInfo()[0] else set()
        for command in ("query-jobs", "query-block-jobs", "query-block-exports"):
            found |= {f"{command}: {one}" for one in _asked(domain, command)}
    return found
