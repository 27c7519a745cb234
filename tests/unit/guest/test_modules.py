"""Are modules found with all they need, in an order in which they load?"""

import lzma
from pathlib import Path

import pytest

from hyperctl.guest import modules
from hypersdk.errors import HyperSDKError
from tests.unit.guest.elf_file import kernel_module


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kernel/drivers").mkdir(parents=True)
    for name, depends in {"virtio-pci": "virtio,virtio_ring", "virtio": "virtio_ring", "virtio_ring": ""}.items():
        content = kernel_module(f"depends={depends}", f"alias=pci:{name}*")
        (tmp_path / f"kernel/drivers/{name}.ko").write_bytes(content)
    (tmp_path / "kernel/packed.ko.xz").write_bytes(lzma.compress(kernel_module("depends=virtio")))
    return tmp_path


def test_what_a_module_needs_comes_before_it(folder: Path) -> None:
    found = modules.collect(["virtio_pci"], modules.index(folder))
    assert list(found) == ["virtio_ring", "virtio", "virtio_pci"]


def test_a_packed_module_is_carried_unpacked(folder: Path) -> None:
    found = modules.collect(["packed"], modules.index(folder))
    assert found["packed"].content.startswith(b"\x7fELF")


def test_dependency_table_lists_the_whole_chain_nearest_first(folder: Path) -> None:
    table = modules.dependency_table(modules.collect(["virtio_pci"], modules.index(folder)))
    assert table.splitlines() == [
        "virtio_ring.ko:",
        "virtio.ko: virtio_ring.ko",
        "virtio_pci.ko: virtio.ko virtio_ring.ko",
    ]


def test_alias_table_leads_from_a_device_to_its_driver(folder: Path) -> None:
    table = modules.alias_table(modules.collect(["virtio_pci"], modules.index(folder)))
    assert "alias pci:virtio-pci* virtio_pci\n" in table


def test_a_module_the_kernel_does_not_have_is_named(folder: Path) -> None:
    with pytest.raises(HyperSDKError, match="no module ahci"):
        modules.collect(["ahci"], modules.index(folder))
