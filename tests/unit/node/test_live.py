"""What a running guest can be given of a changed spec, what waits for its next start, and what is nobody's business."""

from dataclasses import fields, replace
from typing import Any

import pytest

from controller.domain.build import domain_xml
from controller.domain.desired import DesiredDomain, DiskFile, HostDevice
from controller.domain.parse import parse_domain
from controller.hypervisor.port import Hardware, PluggedDisk, PluggedInterface
from controller.node.live import (
    AttachDisk,
    AttachInterface,
    ChangeMedia,
    DetachDisk,
    DetachInterface,
    Gap,
    GrowDisk,
    PlugCpus,
    PlugMemory,
    Reconnect,
    gap,
)
from tests.unit.node.builders import wanted

GIB = 2**30
DATA = DiskFile("data", "/d/data", "qcow2")
LOGS = DiskFile("logs", "/d/logs", "qcow2")
ROOT = DiskFile("root", "/d/root", "qcow2")
DISC = DiskFile("tools", "/d/tools.iso", "raw", "cdrom", read_only=True)
SEED = DiskFile("seed", "/d/seed.iso", "raw", "cdrom", read_only=True)
STARTED = replace(wanted(cpus=1, memory="1Gi"), disks=(ROOT, DATA, DISC, SEED))
NIC = STARTED.interfaces[0]
OTHER_NIC = replace(NIC, name="lan", kind="bridge", mac="52:00:00:00:00:02", source="br0")

NIC_OUT = DetachInterface("default", PluggedInterface(NIC.mac, "network", "default"))
DATA_OUT = DetachDisk("data", PluggedDisk("/d/data", "vdb", name="data"))


def hardware(domain: DesiredDomain, **changes: Any) -> Hardware:
    """What the domain has after a start from that definition."""
    return replace(parse_domain(domain_xml(domain)).hardware, **changes)


def wish(**changes: Any) -> DesiredDomain:
    return replace(STARTED, **changes)


def of(wanted: DesiredDomain, **now: Any) -> Gap:
    return gap(STARTED, hardware(STARTED, **now), wanted)


def test_every_field_of_the_domain_is_looked_at_or_the_nodes_own() -> None:
    own = {"uid", "namespace", "name", "virt_type", "console_log", "virtio_log", "max_cpus", "max_memory_bytes"}
    changed = {
        "cpus": 2,
        "memory_bytes": 2 * GIB,
        "machine": "pc",
        "uefi": True,
        "secure_boot": True,
        "guest_agent": False,
        "disks": (),
        "interfaces": (),
        "tpm": True,
        "host_devices": (HostDevice("pci", "0000:65:00.0"),),
    }
    assert {field.name for field in fields(DesiredDomain)} == own | set(changed)
    assert all(of(wish(**{name: value})) != Gap() for name, value in changed.items())


def test_nothing_differs_after_a_start() -> None:
    assert of(STARTED) == Gap()


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        (wish(cpus=4), Gap((PlugCpus(4),))),
        (wish(cpus=5), Gap(waiting=("cpus",))),
        (wish(memory_bytes=2 * GIB), Gap((PlugMemory(GIB),))),
        (wish(memory_bytes=5 * GIB), Gap(waiting=("memory",))),
        (wish(memory_bytes=GIB + 2**20), Gap(waiting=("memory",))),
        (wish(memory_bytes=GIB // 2), Gap(waiting=("memory",))),
        (wish(disks=(ROOT, DATA, LOGS, DISC, SEED)), Gap((AttachDisk(LOGS, "vdc"),))),
        (wish(disks=(ROOT, LOGS, DISC, SEED)), Gap((DATA_OUT, AttachDisk(LOGS, "vdc")))),
        (wish(disks=(DATA, DISC, SEED)), Gap(waiting=("disks",))),
        (wish(disks=(DATA, ROOT, DISC, SEED)), Gap(waiting=("disks",))),
        (wish(disks=(ROOT, replace(DATA, boot_order=1), DISC, SEED)), Gap(waiting=("disks",))),
        (wish(disks=(ROOT, replace(DATA, name="old"), DISC, SEED)), Gap(waiting=("disks",))),
        (wish(disks=(ROOT, replace(DATA, path="/fast/data"), DISC, SEED)), Gap(waiting=("disks",))),
        (
            wish(disks=(ROOT, DATA, replace(DISC, path="/d/new.iso"), SEED)),
            Gap((ChangeMedia(replace(DISC, path="/d/new.iso"), "sda"),)),
        ),
        (wish(disks=(ROOT, DATA, SEED)), Gap((ChangeMedia(replace(DISC, path=""), "sda"),))),
        (wish(disks=(ROOT, DATA, DISC, replace(DISC, name="more", path="/m"), SEED)), Gap(waiting=("disks",))),
        (wish(interfaces=(NIC, OTHER_NIC)), Gap((AttachInterface(OTHER_NIC),))),
        (wish(interfaces=()), Gap((NIC_OUT,))),
        (wish(interfaces=(replace(NIC, source="blue"),)), Gap((Reconnect(replace(NIC, source="blue")),))),
        (
            wish(interfaces=(replace(NIC, kind="bridge", source="br0"),)),
            Gap((Reconnect(replace(NIC, kind="bridge", source="br0")),)),
        ),
        (wish(interfaces=(replace(NIC, kind="user", source=""),)), Gap((NIC_OUT,))),
        (
            wish(machine="pc", uefi=True, secure_boot=True, guest_agent=False),
            Gap(waiting=("machineType", "firmware.bootloader", "firmware.secureBoot", "guestAgent")),
        ),
        (wish(console_log="/elsewhere", virt_type="kvm", max_cpus=99), Gap()),
    ],
)
def test_each_change_is_made_now_or_waits(changed: DesiredDomain, difference: Gap) -> None:
    assert of(changed) == difference


def test_fewer_cpus_and_less_memory_wait_also_after_they_were_given() -> None:
    assert of(STARTED, cpus=4) == Gap(waiting=("cpus",))
    assert of(STARTED, dimm_bytes=GIB) == Gap(waiting=("memory",))
    assert of(wish(memory_bytes=3 * GIB), dimm_bytes=GIB) == Gap((PlugMemory(2 * GIB),))


def test_what_was_made_is_not_made_again() -> None:
    disks = (*hardware(STARTED).disks, PluggedDisk("/d/logs", "vdc", name="logs", by_us=True))
    nics = (*hardware(STARTED).interfaces, PluggedInterface(OTHER_NIC.mac, "bridge", "br0", by_us=True))
    changed = wish(cpus=3, memory_bytes=2 * GIB, disks=(ROOT, DATA, LOGS, DISC, SEED), interfaces=(NIC, OTHER_NIC))

    assert of(changed, disks=disks, interfaces=nics, cpus=3, dimm_bytes=GIB) == Gap()


def test_what_was_made_is_taken_back_when_the_spec_goes_back() -> None:
    disk = PluggedDisk("/d/logs", "vdc", name="logs", by_us=True)
    nic = PluggedInterface(OTHER_NIC.mac, "bridge", "br0", by_us=True)
    now = hardware(STARTED)

    difference = of(STARTED, disks=(*now.disks, disk), interfaces=(*now.interfaces, nic))
    assert difference == Gap((DetachDisk("logs", disk), DetachInterface(OTHER_NIC.mac, nic)))


def test_what_somebody_else_plugged_in_is_left_alone() -> None:
    now = hardware(STARTED)
    disks = (*now.disks, PluggedDisk("/theirs", "vdc"))
    nics = (*now.interfaces, PluggedInterface("52:00:00:00:00:99", "bridge", "br9"))

    assert of(STARTED, disks=disks, interfaces=nics) == Gap()
    added = of(wish(disks=(ROOT, DATA, LOGS, DISC, SEED)), disks=disks)
    assert added == Gap((AttachDisk(LOGS, "vdd"),))


def test_interface_of_user_mode_comes_back_once_it_is_out() -> None:
    user = replace(NIC, kind="user", source="")
    assert of(wish(interfaces=(user,)), interfaces=()) == Gap((AttachInterface(user),))


def test_disk_that_was_pulled_out_comes_back_with_its_file() -> None:
    without = tuple(disk for disk in hardware(STARTED).disks if disk.path != DATA.path)
    assert of(STARTED, disks=without) == Gap((AttachDisk(DATA, "vdb"),))


def test_only_a_disk_that_is_plugged_in_grows() -> None:
    grow, other = GrowDisk("data", "/d/data", 2 * GIB), GrowDisk("logs", "/d/logs", GIB)
    assert gap(STARTED, hardware(STARTED), STARTED, (grow, other)) == Gap((grow,))


def test_fields_are_named_once() -> None:
    changed = wish(cpus=99, disks=(ROOT, LOGS, DISC, SEED), interfaces=())
    assert of(changed).fields == ("cpus", "disks", "networks")


def test_guest_that_boots_from_a_disc_may_lose_any_disk_but_the_first() -> None:
    started = replace(STARTED, disks=(ROOT, DATA, replace(SEED, boot_order=1)))
    now = hardware(started)
    without_data = gap(started, now, replace(started, disks=(ROOT, replace(SEED, boot_order=1))))
    without_root = gap(started, now, replace(started, disks=(DATA, replace(SEED, boot_order=1))))
    assert without_data == Gap((DATA_OUT,))
    assert without_root == Gap(waiting=("disks",))
