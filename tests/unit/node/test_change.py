"""Each change of a running guest: one call of the hypervisor, and a sentence that names what was changed."""

from dataclasses import replace

import pytest

from controller.domain.build import domain_xml
from controller.domain.desired import DiskFile, Interface
from controller.hypervisor.fake import FakeHypervisor
from controller.hypervisor.port import Hardware
from controller.node.change import make, words
from controller.node.intent import Run
from controller.node.live import (
    AttachDisk,
    AttachInterface,
    ChangeMedia,
    DetachDisk,
    DetachInterface,
    GrowDisk,
    LiveChange,
    PlugCpus,
    PlugMemory,
    Reconnect,
    field_of,
)
from controller.node.refusals import Refusals
from tests.unit.node.builders import NOW, UID, wanted

GIB = 2**30
DATA = DiskFile("data", "/d/data", "qcow2")
DISC = DiskFile("seed", "/d/other.iso", "raw", "cdrom", read_only=True)
LAN = Interface("lan", "bridge", "52:54:00:00:00:09", "br0")


async def running() -> FakeHypervisor:
    """A host where the VM runs."""
    host = FakeHypervisor(lambda: 0.0)
    await host.define(domain_xml(wanted()))
    await host.start(UID)
    return host


async def changed(host: FakeHypervisor, change: LiveChange) -> Hardware:
    await make(change, UID, host)
    return host.the(UID).hardware


async def test_devices_come_move_and_go() -> None:
    host = await running()
    before = host.the(UID).hardware

    assert (await changed(host, AttachDisk(DATA, "vdb"))).disks[-1].path == "/d/data"
    disk = host.the(UID).hardware.disks[-1]
    assert disk.by_us
    assert (await changed(host, AttachInterface(LAN))).interfaces[-1].source == "br0"
    assert (await changed(host, Reconnect(replace(LAN, source="br1")))).interfaces[-1].source == "br1"
    assert "/d/other.iso" in {d.path for d in (await changed(host, ChangeMedia(DISC, "sda"))).disks}
    await changed(host, DetachInterface("lan", host.the(UID).hardware.interfaces[-1]))
    after = await changed(host, DetachDisk("data", disk))
    assert (len(after.disks), after.interfaces) == (len(before.disks), before.interfaces)


async def test_guest_gets_more() -> None:
    host = await running()
    await make(GrowDisk("data", "/d/data", GIB), UID, host)
    await make(PlugCpus(4), UID, host)
    now = await changed(host, PlugMemory(GIB))
    assert (now.cpus, now.dimm_bytes) == (4, GIB)
    assert host.calls[-3:] == [f"resize={GIB}", "cpus=4", f"dimm={GIB}"]


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        (AttachDisk(DATA, "vdb"), "disks", "disk data is plugged in as vdb"),
        (GrowDisk("data", "/d/data", 2 * GIB), "disks", "disk data has 2.0Gi now"),
        (ChangeMedia(DISC, "sda"), "disks", "/d/other.iso is in the drive seed"),
        (ChangeMedia(replace(DISC, path=""), "sda"), "disks", "nothing is in the drive seed"),
        (AttachInterface(LAN), "networks", "network lan is plugged in"),
        (Reconnect(LAN), "networks", "network lan is now on bridge br0"),
        (PlugCpus(4), "cpus", "4 CPUs"),
        (PlugMemory(GIB), "memory", "1.0Gi of memory more"),
    ],
)
def test_words_name_the_change(change: LiveChange, field: str, said: str) -> None:
    assert field_of(change) == field
    assert said in words(change)


def test_refusal_is_forgotten_with_the_run_or_the_wish() -> None:
    refusals, run, change = Refusals(), Run(1, 1.0), PlugCpus(4)
    assert refusals.due(run, [change], NOW) == (change,)
    assert refusals.add(run, change, "no", NOW, 0.5)
    assert refusals.due(run, [change, PlugCpus(3)], NOW) == (PlugCpus(3),)
    assert refusals.words() == ("cpus: no",)
    assert not refusals.add(run, change, "no again", NOW, 0.5)
    assert refusals.due(Run(2, 2.0), [change], NOW) == (change,)
    assert refusals.words() == ()
