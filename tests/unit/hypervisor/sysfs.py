"""The devices of a host as its sysfs shows them: two T4s, an A100 with its sound, cards that cannot be given, an mdev.

As recorded on a server (names and links of `/sys/bus/pci/devices`, `/sys/bus/mdev/devices`), cut to what is read.
"""

from dataclasses import dataclass
from pathlib import Path

MDEV = "c2177883-f1bb-47f0-914d-32a22e3a8804"


@dataclass(frozen=True)
class Pci:
    """One PCI function."""

    address: str
    kind: str
    model: str
    group: str = ""
    driver: str = ""
    boot_vga: str = ""


HOST = (
    Pci("0000:00:1f.0", "0x060100", "8086:a305", "7"),
    Pci("0000:03:00.0", "0x030000", "1a03:2000", "12", "ast", "1"),
    Pci("0000:3b:00.0", "0x030200", "10de:1eb8", "30", "nvidia"),
    Pci("0000:5e:00.0", "0x030200", "10de:1eb8", "31", "vfio-pci"),
    Pci("0000:64:00.0", "0x060400", "8086:2030", "40", "pcieport"),
    Pci("0000:65:00.0", "0x030000", "10de:20b0", "40", "nvidia", "0"),
    Pci("0000:65:00.1", "0x040300", "10de:1aef", "40", "snd_hda_intel"),
    Pci("0000:86:00.0", "0x030000", "1002:73bf", "50", "amdgpu", "0"),
    Pci("0000:87:00.0", "0x020000", "8086:1572", "50", "i40e"),
    Pci("0000:af:00.0", "0x038000", "1002:738c"),
)


def write(root: Path, host: tuple[Pci, ...] = HOST, *, mdev: bool = True) -> Path:
    """The tree below a folder; the folder."""
    for device in host:
        _pci(root, device)
    if mdev:
        parent = root / "devices/pci0000:3a/0000:3b:00.0"
        parent.mkdir(parents=True, exist_ok=True)
        (parent / MDEV).mkdir()
        (parent / MDEV / "mdev_type").symlink_to("../mdev_supported_types/nvidia-222")
        (parent / MDEV / "driver").symlink_to("../../../bus/mdev/drivers/vfio_mdev")
        there = root / "bus/mdev/devices"
        there.mkdir(parents=True)
        (there / MDEV).symlink_to(parent / MDEV)
    return root


def _pci(root: Path, device: Pci) -> None:
    folder = root / "bus/pci/devices" / device.address
    folder.mkdir(parents=True)
    vendor, _, model = device.model.partition(":")
    files = {"class": device.kind, "vendor": f"0x{vendor}", "device": f"0x{model}", "boot_vga": device.boot_vga}
    for name, text in files.items():
        if text:
            (folder / name).write_text(f"{text}\n")
    if device.driver:
        (folder / "driver").symlink_to(f"../../../../bus/pci/drivers/{device.driver}")
    if device.group:
        group = root / "kernel/iommu_groups" / device.group
        (group / "devices").mkdir(parents=True, exist_ok=True)
        (group / "devices" / device.address).symlink_to(folder)
        (folder / "iommu_group").symlink_to(group)
