"""Which GPUs a host has, by a recorded sysfs, and what of them can be given."""

from pathlib import Path

from controller.hypervisor.gpus import host_gpus
from controller.hypervisor.readings import HostGpu
from tests.unit.hypervisor.sysfs import MDEV, write


def test_gpus_are_told_with_what_goes_with_them_and_what_is_against_them(tmp_path: Path) -> None:
    iommu = "it is in no IOMMU group: switch the IOMMU on (VT-d, AMD-Vi) in firmware and kernel"
    assert host_gpus(write(tmp_path)) == [
        HostGpu("0000:03:00.0", "pci", "1a03:2000", "ast", "12", trouble="the host's own screen is on it"),
        HostGpu("0000:3b:00.0", "pci", "10de:1eb8", "nvidia", "30"),
        HostGpu("0000:5e:00.0", "pci", "10de:1eb8", "vfio-pci", "31"),
        HostGpu("0000:65:00.0", "pci", "10de:20b0", "nvidia", "40", ("0000:65:00.1",)),
        HostGpu(
            "0000:86:00.0",
            "pci",
            "1002:73bf",
            "amdgpu",
            "50",
            ("0000:87:00.0",),
            trouble="it shares its IOMMU group 50 with 0000:87:00.0",
        ),
        HostGpu("0000:af:00.0", "pci", "1002:738c", trouble=iommu),
        HostGpu(MDEV, "mdev", "nvidia-222", "vfio_mdev", parent="0000:3b:00.0"),
    ]


def test_host_without_pci_has_none(tmp_path: Path) -> None:
    assert host_gpus(tmp_path) == []
