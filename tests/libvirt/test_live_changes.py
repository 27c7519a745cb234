"""Whether a running Linux guest gets what its spec is given: disks, networks, CPUs, memory, discs, all in one boot."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from controller.domain.build import domain_xml
from controller.domain.desired import DesiredDomain, DiskFile, Interface
from controller.hypervisor.libvirt_host import LibvirtHost, open_host
from controller.hypervisor.port import Hardware, SerialConsole
from controller.node.change import make
from controller.node.live import Gap, GrowDisk, gap
from hyperctl.guest.image import build
from hyperctl.stack.virsh import virsh
from hypersdk.errors import Terminal
from hypersdk.settings import places
from tests.libvirt.conftest import Libvirtd
from tests.libvirt.guests import defined, read_until, removed, small_guest, there

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(240)]

MIB = 2**20
_PROMPT = b"# "
_BOOT_S = 90.0


@dataclass
class Guest:
    """A guest that runs, and what it was started with."""

    host: LibvirtHost
    started: DesiredDomain
    console: SerialConsole

    async def hardware(self) -> Hardware:
        """What it has now."""
        return (await there(self.host, self.started.uid)).hardware

    async def become(self, wanted: DesiredDomain) -> None:
        """Change it as the controller does; afterwards there is nothing left to change."""
        for change in gap(self.started, await self.hardware(), wanted).changes:
            await make(change, wanted.uid, self.host)
            await make(change, wanted.uid, self.host)
        assert gap(self.started, await self.hardware(), wanted) == Gap()
        await self.host.define(domain_xml(wanted))

    async def sees(self, line: str) -> None:
        """Wait until a line of shell succeeds in the guest."""
        await self.console.write(f"until {line}; do sleep 0.1; done; echo it is se''en\n".encode())
        await read_until(self.console, b"it is seen", 60)


@pytest.fixture
async def host(libvirtd: Libvirtd, private_network: None) -> AsyncIterator[LibvirtHost]:
    """The host behind the private libvirtd, with two networks."""
    host = await open_host(libvirtd.uri, virt_type="qemu", log_folder=str(libvirtd.root / "log/qemu"))
    await host.ensure_network("default")
    await host.ensure_network("blue")
    yield host
    await host.close()


@pytest.fixture
async def guest(host: LibvirtHost, guest_folder: Path) -> AsyncIterator[Guest]:
    """The product's own guest image with head-room, at a shell prompt."""
    disk, tools = guest_folder / "root.qcow2", guest_folder / "tools.iso"
    await asyncio.to_thread(shutil.copyfile, await asyncio.to_thread(_image), disk)
    await asyncio.to_thread(tools.write_bytes, bytes(MIB))
    started = replace(
        small_guest(guest_folder),
        memory_bytes=256 * MIB,
        max_cpus=3,
        max_memory_bytes=1024 * MIB,
        disks=(
            DiskFile("root", str(disk), "qcow2", boot_order=1),
            DiskFile("tools", str(tools), "raw", "cdrom", read_only=True),
        ),
        interfaces=(Interface("default", "network", "52:54:00:78:00:01", "default"),),
    )
    await defined(host, started)
    await host.start(started.uid)
    console = await host.open_console(started.uid)
    await host.resume(started.uid)
    await read_until(console, _PROMPT, _BOOT_S)
    yield Guest(host, started, console)
    await console.close()
    await removed(host, started.uid)


async def test_running_guest_gets_what_its_spec_is_given(guest: Guest, guest_folder: Path, libvirtd: Libvirtd) -> None:
    started, uid, host = guest.started, guest.started.uid, guest.host
    root, tools = started.disks
    data = DiskFile("data", await _blank(guest_folder / "data.qcow2"), "qcow2")
    logs = DiskFile("logs", await _blank(guest_folder / "logs.qcow2"), "qcow2")

    # In: two disks, an interface, two CPUs, memory.
    blue = Interface("lan", "network", "52:54:00:78:00:02", "blue")
    more = replace(
        started,
        cpus=3,
        memory_bytes=512 * MIB,
        disks=(root, data, logs, tools),
        interfaces=(*started.interfaces, blue),
    )
    await guest.become(more)
    await guest.sees("grep -q data /sys/block/vd?/serial && grep -q logs /sys/block/vd?/serial")
    await guest.sees("named() { d=$(grep -l $1 /sys/block/vd?/serial); d=${d%/serial}; echo ${d##*/}; }")
    await guest.sees("grep -q 52:54:00:78:00:02 /sys/class/net/*/address")
    await guest.sees("[ $(cat /sys/devices/system/cpu/present) = 0-2 ]")
    await guest.sees("[ $(ls -d /sys/devices/system/memory/memory* | wc -l) -ge 4 ]")
    assert (await guest.hardware()).dimm_bytes == 256 * MIB

    # Larger, never smaller.
    await guest.sees("[ $(cat /sys/block/$(named data)/size) = 131072 ]")
    await make(GrowDisk("data", data.path, 128 * MIB), uid, host)
    await guest.sees("[ $(cat /sys/block/$(named data)/size) = 262144 ]")
    await host.resize_disk(uid, data.path, 64 * MIB)
    await guest.sees("[ $(cat /sys/block/$(named data)/size) = 262144 ]")

    # To another network; another disc; and what is on a disk stays on it while it is out and comes in again.
    await guest.sees("echo kept > /dev/$(named logs); sync")
    moved = replace(blue, source="default")
    other = guest_folder / "other.iso"
    await asyncio.to_thread(other.write_bytes, b"other".ljust(2 * MIB, b"\0"))
    less = replace(
        more,
        disks=(root, data, replace(tools, path=str(other))),
        interfaces=(*started.interfaces, moved),
    )
    await guest.become(less)
    await guest.sees("! grep -q logs /sys/block/vd?/serial")
    await guest.sees("[ $(head -c 5 /dev/sr0) = other ]")
    assert {nic.source for nic in (await guest.hardware()).interfaces} == {"default"}
    await guest.become(replace(less, disks=(root, logs, data), interfaces=(moved,)))
    await guest.sees("[ $(head -c 4 /dev/$(named logs)) = kept ]")
    await guest.sees("! grep -q 52:54:00:78:00:01 /sys/class/net/*/address")

    # The next start puts everything where it is now, where the guest's names for it come from.
    running, defined_anew = (virsh(libvirtd.uri, "dumpxml", *how, uid) for how in ((), ("--inactive",)))
    assert _places(defined_anew) == _places(running)
    assert len(set(_places(running))) == 3 + 3 + 1

    # hvc0, in the same boot.
    virtio = await host.open_console(uid, "console1")
    await guest.sees("echo through the virtio console > /dev/hvc0")
    await read_until(virtio, b"through the virtio console")
    await virtio.close()


async def test_refusals_are_told_from_lost_connections(host: LibvirtHost, guest_folder: Path) -> None:
    bare = replace(small_guest(guest_folder), interfaces=())
    await defined(host, bare)
    await host.start(bare.uid)
    try:
        missing = replace(bare, disks=(*bare.disks, DiskFile("data", "/nowhere/data", "raw")))
        (change,) = gap(bare, (await there(host, bare.uid)).hardware, missing).changes
        with pytest.raises(Terminal, match="/nowhere/data") as refused:
            await make(change, bare.uid, host)
        assert refused.value.reason == "ChangeRefused"
        # A guest whose CPUs are held lets go of nothing.
        with_data = replace(bare, disks=(*bare.disks, DiskFile("data", await _blank(guest_folder / "d", "raw"), "raw")))
        (change,) = gap(bare, (await there(host, bare.uid)).hardware, with_data).changes
        await make(change, bare.uid, host)
        (back,) = gap(bare, (await there(host, bare.uid)).hardware, bare).changes
        with pytest.raises(Terminal, match="let go"):
            await make(back, bare.uid, host)
    finally:
        await removed(host, bare.uid)


def _places(xml: str) -> list[str]:
    devices = fromstring(xml).find("devices")
    assert devices is not None
    disks = devices.findall("disk[@device='disk']")
    names = [disk.find("target") for disk in disks]
    addresses = [device.find("address") for device in (*disks, *devices.findall("interface"))]
    return sorted(str(one.attrib) for one in (*names, *addresses) if one is not None)


async def _blank(path: Path, kind: str = "qcow2") -> str:
    command = ["qemu-img", "create", "-q", "-f", kind, str(path), "64M"]
    await asyncio.to_thread(subprocess.run, command, check=True)
    return str(path)


def _image() -> Path:
    return build(places(os.environ).cache, lambda _: None)
