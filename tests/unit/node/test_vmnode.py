"""What a host tells of itself."""

from dataclasses import replace
from typing import Any

import pytest

from controller.hypervisor.fake import HOST
from controller.hypervisor.port import DomainName
from controller.hypervisor.readings import HostFacts, HostGpu, HostNetwork, HostPool
from controller.node.nodeconditions import kvm_obstacle
from controller.node.vmnode import MOST_FOREIGN, Survey, allocatable, node_status
from controller.settings import Settings
from hypersdk.model.base import Condition, condition
from hypersdk.model.vmnode import VMNodeStatus
from tests.unit.node.builders import NOW, PLACES, UID, machine

SETTINGS = Settings(node="n", state=PLACES.state, bridges=("br-lab", "lo"))
OURS = DomainName(UID, "default.web", is_active=True)
THEIRS = DomainName("1", "theirs", is_active=True, is_ours=False)
GIB = 2**30


def status_of(survey: Survey, old: VMNodeStatus | None = None) -> VMNodeStatus:
    vm = machine(status={"nodeName": "n"})
    return node_status(old or VMNodeStatus(), survey, [vm], SETTINGS, NOW)


def found(status: VMNodeStatus, kind: str) -> Condition:
    one = condition(status.conditions, kind)
    assert one is not None
    return one


def host(**changes: Any) -> HostFacts:
    return replace(HOST, **changes)


def test_host_that_answers_is_ready_and_tells_what_it_offers() -> None:
    facts = host(networks=(HostNetwork("default", True, "virbr0"),), machine_types=("q35 (pc-q35-7.2)",))
    pool = HostPool("standard", "/disks", 100 * GIB, 50 * GIB)
    status = status_of(Survey(facts, (OURS, THEIRS), (pool,)))
    assert found(status, "Ready").status == found(status, "LibvirtReachable").status == "True"
    assert status.capacity is not None
    assert (status.capacity.cpus, status.capacity.memory) == (8, "16Gi")
    assert (status.virt_type, status.virt_type_reason, status.architecture) == ("qemu", "a fake", "x86_64")
    assert status.machine_types == ["q35 (pc-q35-7.2)"]
    assert (status.running_vms, status.foreign_domains, status.foreign_domain_count) == (1, ["theirs"], 1)
    assert [(one.name, one.capacity, one.available) for one in status.pools or []] == [("standard", "100Gi", "50Gi")]
    assert [(one.name, one.kind, one.active) for one in status.networks or []] == [
        ("default", "network", True),
        ("br-lab", "bridge", False),
        ("lo", "bridge", True),
        ("user", "user", True),
    ]
    assert status.last_heartbeat_time == NOW


def test_gpus_are_told_with_who_has_them_and_who_may() -> None:
    gpus = (
        HostGpu("0000:3b:00.0", model="10de:1eb8", driver="vfio-pci", iommu_group="30"),
        HostGpu("0000:5e:00.0", model="10de:1eb8"),
        HostGpu("0000:65:00.0", model="10de:20b0"),
        HostGpu("0000:86:00.0", model="10de:1eb8", trouble="the host's own screen is on it"),
    )
    survey = Survey(host(), gpus=gpus, host_devices={UID: ("0000:3b:00.0",), "1": ("0000:5e:00.0",)})
    status = node_status(VMNodeStatus(), survey, [machine()], replace(SETTINGS, gpus=(("t4", "10de:1eb8"),)), NOW)
    assert [(gpu.name, gpu.available, gpu.reason, gpu.vm) for gpu in status.gpus or []] == [
        ("t4", True, None, "default/web"),
        ("t4", False, "a domain that is not ours has it", None),
        (None, False, "not for VMs: start the controller with --gpu NAME=10de:20b0", None),
        ("t4", False, "the host's own screen is on it", None),
    ]
    assert status_of(Survey(host())).gpus is None


def test_host_without_libvirt_is_not_ready_and_keeps_what_was_known() -> None:
    known = status_of(Survey(HOST))
    lost = status_of(Survey(error="no socket"), known)
    for kind in ("Ready", "LibvirtReachable"):
        one = found(lost, kind)
        assert (one.status, one.reason, one.message) == ("False", "LibvirtUnreachable", "no socket")
    assert lost.capacity == known.capacity
    assert found(lost, "DiskPressure") == found(known, "DiskPressure")


def test_host_keeps_memory_for_itself_and_tells_what_is_asked_of_it() -> None:
    offered = allocatable(HOST)
    assert (offered.cpus, offered.memory) == (8, f"{16 * 1024 - 820}Mi")
    status = status_of(Survey(HOST))
    assert status.requested is not None
    assert (status.requested.cpus, status.requested.memory) == (2, "1Gi")
    assert status.cpu_allocation_ratio == 10


@pytest.mark.parametrize(
    ("facts", "kvm", "ready"),
    [
        (host(kvm_works=None), ("Unknown", "NotTried"), "True"),
        (host(kvm_works=True, kvm_reason="ran", virt_type="kvm"), ("True", "GuestRan"), "True"),
        (host(kvm_works=False, kvm_reason="hangs"), ("False", "KvmUnusable"), "True"),
        (host(kvm_works=False, kvm_reason="hangs", virt_type="kvm"), ("False", "KvmUnusable"), "False"),
    ],
    ids=["not tried", "works", "useless, and not needed", "useless, and insisted on"],
)
def test_kvm_is_told_and_only_where_it_is_insisted_on_the_host_is_not_ready(
    facts: HostFacts, kvm: tuple[str, str], ready: str
) -> None:
    status = status_of(Survey(facts))
    assert (found(status, "KvmUsable").status, found(status, "KvmUsable").reason) == kvm
    assert found(status, "Ready").status == ready
    assert bool(kvm_obstacle(facts)) == (ready == "False")


@pytest.mark.parametrize(
    ("pools", "pressure"),
    [
        ((), "False"),
        ((HostPool("a", "/a", 100 * GIB, 11 * GIB),), "False"),
        ((HostPool("a", "/a", 1000 * GIB, 6 * GIB),), "False"),
        ((HostPool("a", "/a", 1000 * GIB, 4 * GIB),), "True"),
        ((HostPool("a", "/a", GIB, GIB // 11), HostPool("b", "/b", GIB, GIB)), "True"),
        ((HostPool("a", "/a", 0, 0, active=False),), "False"),
    ],
    ids=["no pool", "a tenth", "plenty of a large one", "little", "one of two", "not active"],
)
def test_little_room_in_a_pool_is_disk_pressure(pools: tuple[HostPool, ...], pressure: str) -> None:
    assert found(status_of(Survey(HOST, (), pools)), "DiskPressure").status == pressure


@pytest.mark.parametrize(("available", "pressure"), [(0, "Unknown"), (GIB, "False"), (GIB // 2, "True")])
def test_little_memory_is_memory_pressure(available: int, pressure: str) -> None:
    facts = host(memory_available_bytes=available)
    assert found(status_of(Survey(facts)), "MemoryPressure").status == pressure


def test_many_foreign_domains_are_counted_and_their_names_are_harmless() -> None:
    many = tuple(replace(THEIRS, uuid=str(n), name=f"\x1b[31m{n:04}") for n in range(MOST_FOREIGN + 5))
    status = status_of(Survey(HOST, many))
    assert status.foreign_domain_count == MOST_FOREIGN + 5
    assert status.foreign_domains is not None
    assert (len(status.foreign_domains), status.foreign_domains[0]) == (MOST_FOREIGN, "[31m0000")


def test_domain_with_a_vms_uuid_and_without_our_mark_is_foreign() -> None:
    status = status_of(Survey(HOST, (replace(OURS, is_ours=False),)))
    assert (status.running_vms, status.foreign_domain_count) == (0, 1)
