"""Which kernel modules does the guest carry, and what must be loaded before what?"""

import lzma
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hyperctl.guest.elf import module_facts
from hypersdk.errors import HyperSDKError

AT_BOOT = (
    "virtio_pci",
    "virtio_blk",
    "virtio_scsi",
    "sd_mod",
    "sr_mod",
    "isofs",
    "virtio_console",
    "virtio_net",
    "button",
    "evdev",
    "virtio_rng",
    "virtio_balloon",
)
"""Loaded by the guest's init in this order, disks first; then what the PCI devices ask for by alias."""

ON_DEMAND = ("ata_piix", "nls_ascii", "nls_cp437", "vfat", "virtio_input", "virtio_mem", "virtiofs")
"""Carried for what is plugged in later, or found by its alias."""


@dataclass(frozen=True)
class Module:
    """One kernel module with what depmod would have found out about it."""

    name: str
    content: bytes
    needs: tuple[str, ...]
    aliases: tuple[str, ...]


def index(folder: Path) -> dict[str, Path]:
    """Return where each module of a kernel is, by its name with underscores."""
    files = [*folder.rglob("*.ko"), *folder.rglob("*.ko.xz")]
    return {canonical(path.name.partition(".")[0]): path for path in files}


def canonical(name: str) -> str:
    """Return the one spelling of a module's name; the kernel takes both."""
    return name.replace("-", "_")


def read(name: str, path: Path) -> Module:
    """Read one module, unpacked when Debian ships it packed."""
    content = path.read_bytes()
    if path.suffix == ".xz":
        content = lzma.decompress(content)
    facts = module_facts(content)
    needs = tuple(canonical(need) for need in ",".join(facts.get("depends", [])).split(",") if need)
    return Module(name, content, needs, tuple(facts.get("alias", [])))


def collect(names: Iterable[str], where: Mapping[str, Path]) -> dict[str, Module]:
    """Return the modules and all they need, each after what it needs."""
    found: dict[str, Module] = {}

    def add(name: str) -> None:
        if name in found:
            return
        if name not in where:
            raise HyperSDKError(f"the kernel package has no module {name}: the guest cannot be built from it")
        module = read(name, where[name])
        for need in module.needs:
            add(need)
        found[name] = module

    for name in names:
        add(canonical(name))
    return found


def chain(name: str, modules: Mapping[str, Module]) -> list[str]:
    """Return all that a module needs, nearest first, as modules.dep lists it."""
    order: list[str] = []
    for need in modules[name].needs:
        for link in (need, *chain(need, modules)):
            if link in order:
                order.remove(link)
            order.append(link)
    return order


def dependency_table(modules: Mapping[str, Module]) -> str:
    """Write modules.dep, which the package leaves to depmod."""
    return "".join(f"{name}.ko:{''.join(f' {need}.ko' for need in chain(name, modules))}\n" for name in modules)


def alias_table(modules: Mapping[str, Module]) -> str:
    """Write modules.alias, by which a device finds its driver."""
    return "".join(f"alias {alias} {name}\n" for name, module in modules.items() for alias in module.aliases)
