"""When KVM is tried, and what is made of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar, cast

import pytest

from controller.hypervisor.facts import Capabilities
from controller.hypervisor.kvm_probe import Probe, probe_kvm
from controller.hypervisor.link import Link
from controller.hypervisor.virt_type import VirtTypeChoice

T = TypeVar("T")
WORKS, USELESS = Probe(True, "a guest ran on KVM"), Probe(False, "it hangs")


@dataclass
class Told:
    """A link on which libvirt's capabilities are these."""

    can: Capabilities
    asked: int = 0

    async def read(self, work: Callable[..., T], what: str, timeout_s: float = 15.0) -> Capabilities:
        self.asked += 1
        return self.can


@dataclass
class Tries:
    """A probe with an outcome that a test sets, counted."""

    outcome: Probe
    count: int = 0

    async def __call__(self) -> Probe:
        self.count += 1
        return self.outcome


def link(offers_kvm: bool = True) -> Link:
    return cast("Link", Told(Capabilities(offers_kvm, ("q35 (pc-q35-7.2)",))))


@pytest.mark.parametrize(
    ("wanted", "offers", "probe", "expected"),
    [
        ("auto", True, WORKS, ("kvm", True)),
        ("auto", True, USELESS, ("qemu", False)),
        ("auto", False, WORKS, ("qemu", False)),
        ("kvm", True, WORKS, ("kvm", True)),
        ("kvm", True, USELESS, ("kvm", False)),
        ("kvm", False, WORKS, ("kvm", False)),
        ("qemu", True, WORKS, ("qemu", None)),
    ],
)
async def test_what_is_wanted_offered_and_tried_decides(
    tmp_path: Path,
    wanted: Literal["auto", "kvm", "qemu"],
    offers: bool,
    probe: Probe,
    expected: tuple[str, bool | None],
) -> None:
    choice = await VirtTypeChoice(wanted, Tries(probe), tmp_path / "kvm").decide(link(offers))
    assert (choice.virt_type, choice.kvm.works if choice.kvm else None) == expected
    assert choice.reason
    assert choice.machine_types == ("q35 (pc-q35-7.2)",)


async def test_kvm_is_tried_once_and_again_when_the_device_changes(tmp_path: Path) -> None:
    device, tries = tmp_path / "kvm", Tries(USELESS)
    choice = VirtTypeChoice("auto", tries, device)
    for _ in range(3):
        assert (await choice.decide(link())).reason == "it hangs"
    assert tries.count == 1
    device.touch(mode=0o600)
    tries.outcome = WORKS
    assert (await choice.decide(link())).virt_type == "kvm"
    device.write_bytes(b"used")
    await choice.decide(link())
    assert tries.count == 2
    device.chmod(0o666)
    await choice.decide(link())
    assert tries.count == 3


async def test_this_hosts_own_kvm_is_told_in_words() -> None:
    probe = await probe_kvm(timeout_s=1.5)
    expected = "a guest ran on KVM" if probe.works else "/dev/kvm"
    assert expected in probe.reason
