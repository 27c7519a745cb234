"""Which GPU a VM gets: its own again, nobody else's, whole cards, and none that the node does not give."""

import asyncio
from typing import Any

import pytest

from controller.domain.desired import HostDevice
from controller.hypervisor.fake import FakeDomain, FakeHypervisor
from controller.hypervisor.port import DomainState, Hardware, ObservedDomain
from controller.hypervisor.readings import HostGpu
from controller.node.finding import NotYet
from controller.node.gpus import Gpus
from hypersdk.model.virtualmachine import VirtualMachine
from tests.unit.node.builders import machine

T4, A100, TYPE = "10de:1eb8", "10de:20b0", "nvidia-222"
MDEV = "c2177883-f1bb-47f0-914d-32a22e3a8804"
THERE = [
    HostGpu("0000:3b:00.0", model=T4),
    HostGpu("0000:5e:00.0", model=T4),
    HostGpu("0000:65:00.0", model=A100, companions=("0000:65:00.1",)),
    HostGpu("0000:86:00.0", model=T4, trouble="it shares its IOMMU group"),
    HostGpu(MDEV, "mdev", TYPE),
]
RULES = (("nvidia-tesla-t4", T4), ("big", A100), ("big", "0000:5e:00.0"), ("vgpu", TYPE))
EVERYBODY = {"a", "b", "c"}


def asking(uid: str, *gpus: tuple[str, int]) -> VirtualMachine:
    asked: list[dict[str, Any]] = [{"name": name, "count": count} for name, count in gpus]
    return machine(metadata={"name": uid, "uid": uid}, devices={"gpus": asked})


def node() -> tuple[Gpus, FakeHypervisor]:
    host = FakeHypervisor(lambda: 0.0, host_gpus=THERE)
    return Gpus(host, RULES), host


def holds(host: FakeHypervisor, uid: str, *addresses: str, defined: bool = True) -> None:
    """A domain that has them, as it runs or by its definition."""
    hardware = Hardware(host_devices=addresses)
    domain = ObservedDomain(uid, uid, DomainState.RUNNING, "booted", None, hardware=Hardware() if defined else hardware)
    host.domains_by_uuid[uid] = FakeDomain(domain, defined_hardware=hardware if defined else Hardware())


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ((), []),
        ((("nvidia-tesla-t4", 1),), ["0000:3b:00.0"]),
        ((("nvidia-tesla-t4", 2),), ["0000:3b:00.0", "0000:5e:00.0"]),
        ((("nvidia-tesla-t4", 1), ("nvidia-tesla-t4", 1)), ["0000:3b:00.0", "0000:5e:00.0"]),
        ((("nvidia-tesla-t4", 1), ("big", 1)), ["0000:3b:00.0", "0000:5e:00.0"]),
        ((("big", 2),), ["0000:5e:00.0", "0000:65:00.0", "0000:65:00.1"]),
        ((("vgpu", 1),), [MDEV]),
    ],
)
async def test_gpus_are_chosen_by_name_with_what_goes_with_them(
    asked: tuple[tuple[str, int], ...], given: list[str]
) -> None:
    gpus, _ = node()
    chosen = await gpus.of(asking("a", *asked), EVERYBODY)
    assert [device.address for device in chosen] == given
    assert {device.kind for device in chosen} <= {"pci", "mdev"}
    assert await gpus.of(asking("a", *asked), EVERYBODY) == chosen


@pytest.mark.parametrize("defined", [False, True])
async def test_what_any_domain_has_is_nobody_elses(defined: bool) -> None:
    gpus, host = node()
    holds(host, "foreign", "0000:3b:00.0", defined=defined)
    assert await gpus.of(asking("a", ("nvidia-tesla-t4", 1)), EVERYBODY) == (HostDevice("pci", "0000:5e:00.0"),)
    holds(host, "b", "0000:65:00.1", defined=defined)
    with pytest.raises(NotYet, match="0 of 1 GPUs big are free on this node, which has 2"):
        await gpus.of(asking("c", ("big", 1)), EVERYBODY)


async def test_card_is_given_whole_or_in_parts() -> None:
    half = HostGpu(MDEV, "mdev", TYPE, parent="0000:3b:00.0")
    other = HostGpu(MDEV.replace("c2", "d2"), "mdev", TYPE, parent="0000:3b:00.0")
    host = FakeHypervisor(lambda: 0.0, host_gpus=[*THERE[:1], half, other])
    gpus = Gpus(host, RULES)
    assert len(await gpus.of(asking("a", ("vgpu", 1)), EVERYBODY)) == 1
    with pytest.raises(NotYet, match="0 of 1 GPUs nvidia-tesla-t4"):
        await gpus.of(asking("b", ("nvidia-tesla-t4", 1)), EVERYBODY)
    assert len(await gpus.of(asking("b", ("vgpu", 1)), EVERYBODY)) == 1
    await gpus.of(asking("a"), EVERYBODY)
    await gpus.of(asking("b"), EVERYBODY)
    await gpus.of(asking("a", ("nvidia-tesla-t4", 1)), EVERYBODY)
    with pytest.raises(NotYet, match="0 of 1 GPUs vgpu"):
        await gpus.of(asking("b", ("vgpu", 1)), EVERYBODY)


async def test_machine_keeps_what_its_domain_has() -> None:
    gpus, host = node()
    holds(host, "a", "0000:5e:00.0")
    assert await gpus.of(asking("a", ("nvidia-tesla-t4", 1)), EVERYBODY) == (HostDevice("pci", "0000:5e:00.0"),)
    two = await gpus.of(asking("a", ("nvidia-tesla-t4", 2)), EVERYBODY)
    assert [device.address for device in two] == ["0000:5e:00.0", "0000:3b:00.0"]
    # Not defined with it yet, and nobody else's any more.
    with pytest.raises(NotYet):
        await gpus.of(asking("b", ("nvidia-tesla-t4", 1)), EVERYBODY)


async def test_two_that_are_prepared_at_once_get_different_ones() -> None:
    gpus, _ = node()
    chosen = await asyncio.gather(*(gpus.of(asking(uid, ("nvidia-tesla-t4", 1)), EVERYBODY) for uid in ("a", "b")))
    assert len({device.address for devices in chosen for device in devices}) == 2
    with pytest.raises(NotYet, match="0 of 1 GPUs nvidia-tesla-t4 are free on this node, which has 2"):
        await gpus.of(asking("c", ("nvidia-tesla-t4", 1)), EVERYBODY)


@pytest.mark.parametrize("gone", ["deleted", "changed"])
async def test_what_was_only_chosen_is_free_again_once_it_is_not_wanted(gone: str) -> None:
    gpus, _ = node()
    await gpus.of(asking("a", ("nvidia-tesla-t4", 2)), EVERYBODY)
    if gone == "changed":
        await gpus.of(asking("a"), EVERYBODY)
    left = EVERYBODY - ({"a"} if gone == "deleted" else set())
    assert len(await gpus.of(asking("b", ("nvidia-tesla-t4", 2)), left)) == 2


async def test_successor_finds_who_has_what_in_the_definitions() -> None:
    _, host = node()
    holds(host, "a", "0000:3b:00.0")
    assert await Gpus(host, RULES).of(asking("b", ("nvidia-tesla-t4", 1)), EVERYBODY) == (
        HostDevice("pci", "0000:5e:00.0"),
    )


async def test_card_that_the_node_does_not_give_is_not_had_by_its_model() -> None:
    host = FakeHypervisor(lambda: 0.0, host_gpus=THERE)
    with pytest.raises(NotYet, match="0 of 1 GPUs 10de:1eb8 are free on this node, which has 0"):
        await Gpus(host, ()).of(asking("a", (T4, 1)), EVERYBODY)
