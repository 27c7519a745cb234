"""What a host tells of itself."""

from controller.hypervisor.fake import HOST
from controller.hypervisor.port import DomainState, HostNetwork, ObservedDomain
from controller.node.vmnode import Survey, allocatable, node_status
from controller.settings import Settings
from hypersdk.model.base import condition
from hypersdk.model.vmnode import Pool, VMNodeStatus
from tests.unit.node.builders import NOW, PLACES, domain, machine

SETTINGS = Settings(node="n", state=PLACES.state, bridges=("br-lab",))
THEIRS = ObservedDomain("1", "theirs", DomainState.RUNNING, "booted", None)


def status_of(survey: Survey, old: VMNodeStatus | None = None) -> VMNodeStatus:
    return node_status(old or VMNodeStatus(), survey, [machine()], SETTINGS, NOW)


def test_host_that_answers_is_ready_and_tells_what_it_offers() -> None:
    facts = HOST.__class__(**{**vars(HOST), "networks": (HostNetwork("default", True, "virbr0"),)})
    status = status_of(Survey(facts, (domain(), THEIRS), (Pool(name="standard"),)))
    ready = condition(status.conditions, "Ready")
    assert ready is not None
    assert ready.status == "True"
    assert status.capacity is not None
    assert (status.capacity.cpus, status.capacity.memory) == (8, "16Gi")
    assert (status.virt_type, status.virt_type_reason, status.architecture) == ("qemu", "a fake", "x86_64")
    assert (status.running_vms, status.foreign_domains) == (1, ["theirs"])
    assert [(network.name, network.kind) for network in status.networks or []] == [
        ("default", "network"),
        ("br-lab", "bridge"),
    ]
    assert status.last_heartbeat_time == NOW


def test_host_without_libvirt_is_not_ready_and_keeps_what_was_known() -> None:
    known = status_of(Survey(HOST))
    lost = status_of(Survey(error="no socket"), known)
    ready = condition(lost.conditions, "Ready")
    assert ready is not None
    assert (ready.status, ready.reason, ready.message) == ("False", "LibvirtUnreachable", "no socket")
    assert lost.capacity == known.capacity


def test_host_keeps_memory_for_itself() -> None:
    offered = allocatable(HOST, 10)
    assert (offered.cpus, offered.memory) == (80, f"{16 * 1024 - 820}Mi")
