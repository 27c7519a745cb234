"""Which GPUs has the host, and which of them can a guest be given? Read from sysfs, mediated devices too.

A guest is given whole IOMMU groups (kernel documentation, driver-api/vfio): what is in the group of a GPU goes with it
where it is the same card, such as its sound; where it is another card, neither can be given alone.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from controller.domain.host_devices import PCI_ADDRESS
from controller.hypervisor.readings import HostGpu

_DISPLAY: Final = ("0x03", "0x12")
"""The PCI classes of display controllers and of processing accelerators."""
_BRIDGE: Final = "0x06"


def host_gpus(sysfs: Path) -> list[HostGpu]:
    """The host's GPUs in the order of their addresses. Blocks."""
    pci = sysfs / "bus/pci/devices"
    found = sorted(path for path in _entries(pci) if PCI_ADDRESS.fullmatch(path.name))
    gpus = [_gpu(path) for path in found if _read(path / "class").startswith(_DISPLAY)]
    mediated = sorted(_entries(sysfs / "bus/mdev/devices"))
    return [*gpus, *(_mediated(path) for path in mediated)]


def _gpu(path: Path) -> HostGpu:
    group = _target(path / "iommu_group")
    members = [member for member in _members(path) if not _read(member / "class").startswith(_BRIDGE)]
    card = path.name.partition(".")[0]
    strangers = [member.name for member in members if member.name.partition(".")[0] != card]
    return HostGpu(
        address=path.name,
        kind="pci",
        model=f"{_hex(path / 'vendor')}:{_hex(path / 'device')}",
        driver=_target(path / "driver"),
        iommu_group=group,
        companions=tuple(member.name for member in members if member.name != path.name),
        trouble=_trouble(path, group, strangers),
    )


def _members(path: Path) -> list[Path]:
    """The devices of a device's IOMMU group, itself included."""
    names = sorted(member.name for member in _entries(path / "iommu_group/devices"))
    return [path.parent / name for name in names]


def _trouble(path: Path, group: str, strangers: list[str]) -> str:
    if _read(path / "boot_vga") == "1":
        return "the host's own screen is on it"
    if not group:
        return "it is in no IOMMU group: switch the IOMMU on (VT-d, AMD-Vi) in firmware and kernel"
    if strangers:
        return f"it shares its IOMMU group {group} with {', '.join(strangers)}"
    return ""


def _mediated(path: Path) -> HostGpu:
    kind = _target(path / "mdev_type")
    parent = path.resolve().parent.name
    return HostGpu(
        address=path.name.lower(),
        kind="mdev",
        model=kind,
        driver=_target(path / "driver"),
        iommu_group=_target(path / "iommu_group"),
        parent=parent if PCI_ADDRESS.fullmatch(parent) else "",
    )


def _entries(folder: Path) -> Iterator[Path]:
    try:
        yield from list(folder.iterdir())
    except OSError:
        return


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _hex(path: Path) -> str:
    return _read(path).removeprefix("0x")


def _target(link: Path) -> str:
    """The last part of where a link leads; empty when there is none."""
    try:
        return link.readlink().name
    except OSError:
        return ""
