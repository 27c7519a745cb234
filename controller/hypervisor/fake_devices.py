"""Changing the devices of domains in memory, while they run."""

from dataclasses import replace
from typing import TYPE_CHECKING, cast
from xml.etree.ElementTree import fromstring

from controller.domain.hardware import read_disk, read_interface
from controller.hypervisor.port import Hardware, PluggedDisk, PluggedInterface

if TYPE_CHECKING:
    from controller.hypervisor.fake import FakeHypervisor


class FakeDevices:
    """The part of the fake by which running domains get and lose devices."""

    async def attach(self, uuid: str, xml: str) -> None:
        """Into the running domain."""
        hardware = self._changing(uuid, "attach")
        device = fromstring(xml)
        if device.tag == "disk":
            self._give(uuid, disks=(*hardware.disks, read_disk(device)))
        else:
            self._give(uuid, interfaces=(*hardware.interfaces, read_interface(device)))

    async def detach(self, uuid: str, device: PluggedDisk | PluggedInterface) -> None:
        """Out of the running domain."""
        hardware = self._changing(uuid, "detach")
        disks = tuple(one for one in hardware.disks if one != device)
        self._give(uuid, disks=disks, interfaces=tuple(one for one in hardware.interfaces if one != device))

    async def update(self, uuid: str, xml: str) -> None:
        """Another disc, or another network."""
        hardware = self._changing(uuid, "update")
        device = fromstring(xml)
        if device.tag == "disk":
            disc = read_disk(device)
            self._give(uuid, disks=tuple(disc if one.dev == disc.dev else one for one in hardware.disks))
        else:
            moved = read_interface(device)
            self._give(uuid, interfaces=tuple(moved if i.mac == moved.mac else i for i in hardware.interfaces))

    async def resize_disk(self, uuid: str, path: str, size_bytes: int) -> None:
        """The file is a test's own."""
        self._changing(uuid, f"resize={size_bytes}")

    async def set_cpus(self, uuid: str, count: int) -> None:
        """At once."""
        self._changing(uuid, f"cpus={count}")
        self._give(uuid, cpus=count)

    async def plug_memory(self, uuid: str, dimm_bytes: int) -> None:
        """At once."""
        self._changing(uuid, f"dimm={dimm_bytes}")
        self._give(uuid, dimm_bytes=dimm_bytes)

    def _changing(self, uuid: str, call: str) -> Hardware:
        self._host.ask(call.partition("=")[0], call)
        return self._host.ours(uuid).observed.hardware

    def _give(self, uuid: str, **changes: object) -> None:
        domain = self._host.ours(uuid)
        hardware = replace(domain.observed.hardware, **changes)  # type: ignore[arg-type]
        domain.observed = replace(domain.observed, hardware=hardware)

    @property
    def _host(self) -> "FakeHypervisor":
        return cast("FakeHypervisor", self)
