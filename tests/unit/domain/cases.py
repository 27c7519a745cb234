"""The DesiredDomains that have a golden file, by its name."""

from dataclasses import replace

from controller.domain.desired import DesiredDomain, DiskFile, HostDevice, Interface

UID = "6f1b6c1e-5b0e-4a3a-9d52-2f3f7f6f0001"

BASE = f"/var/lib/hypersdk/disks/{UID}-root"
SMALL = DesiredDomain(uid=UID, namespace="demo", name="web-1", cpus=1, memory_bytes=256 << 20, virt_type="qemu")

FULL = replace(
    SMALL,
    cpus=4,
    memory_bytes=8 << 30,
    disks=(
        DiskFile("root", "/var/lib/hypersdk/disks/demo.web-1/root.qcow2", "qcow2", boot_order=1),
        DiskFile("data", "/var/lib/hypersdk/disks/demo.web-1/data.raw", "raw", read_only=True),
        DiskFile("seed", "/var/lib/hypersdk/seeds/demo.web-1.iso", "raw", "cdrom", read_only=True),
    ),
    interfaces=(
        Interface("default", "network", "52:54:00:aa:00:01", "default"),
        Interface("lan", "bridge", "52:54:00:aa:00:02", "br0"),
        Interface("out", "user", "52:54:00:aa:00:03"),
    ),
    console_log="/var/log/hypersdk/demo.web-1.serial.log",
    virtio_log="/var/log/hypersdk/demo.web-1.console1.log",
)

HOSTILE = replace(
    SMALL,
    namespace="a&b",
    name='<x y="1">\x1b[2J\x00]]>',
    disks=(DiskFile("<!--", "/images/'\"&<>\x07.qcow2", "qcow2"), DiskFile("a" * 21, "/images/b", "raw")),
    interfaces=(Interface("n", "network", "52:54:00:aa:00:01", "'/><script/>"),),
)

CASES = {
    "small": SMALL,
    "full": FULL,
    "kvm": replace(FULL, virt_type="kvm"),
    "pc": replace(FULL, machine="pc"),
    "uefi": replace(SMALL, uefi=True),
    "secure-boot": replace(SMALL, uefi=True, secure_boot=True),
    "head-room": replace(FULL, max_cpus=16, max_memory_bytes=32 << 30),
    "devices": replace(
        FULL,
        uefi=True,
        tpm=True,
        host_devices=(
            HostDevice("pci", "0000:65:00.0"),
            HostDevice("pci", "0000:65:00.1"),
            HostDevice("mdev", "c2177883-f1bb-47f0-914d-32a22e3a8804"),
        ),
    ),
    "no-agent": replace(SMALL, guest_agent=False),
    "hostile": HOSTILE,
    "layered": replace(
        SMALL, disks=(DiskFile("root", f"{BASE}.qcow2", "qcow2", layer=f"{BASE}@before-upgrade.qcow2"),)
    ),
}
