"""Values that the tests of the node's pure parts begin with."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from controller.domain.build import domain_xml, spec_hash
from controller.domain.desired import DesiredDomain
from controller.domain.parse import parse_domain
from controller.hypervisor.port import DomainState, ObservedDomain, Owner, Power
from controller.node.desired import HostView, desired_domain
from controller.node.networks import Attachment
from controller.node.places import NodePlaces
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmoperation import VMOperation

UID = "6f1c1d2e-3f4a-4b5c-8d6e-7f8091a2b3c4"
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PLACES = NodePlaces(Path("/state"), {"fast": Path("/fast")})
HOST = HostView(PLACES, "qemu", Attachment("network", "default"), ("br-lab",))


def machine(
    status: dict[str, Any] | None = None, metadata: dict[str, Any] | None = None, **spec: Any
) -> VirtualMachine:
    """A VM; metadata, spec and status as the API writes them."""
    meta = {"name": "web", "namespace": "default", "uid": UID, "generation": 3, "resourceVersion": "7"}
    whole = {"cpus": 2, "memory": "1Gi", "image": {"source": "demo"}} | spec
    return VirtualMachine.model_validate({"metadata": meta | (metadata or {}), "spec": whole, "status": status or {}})


def operation(name: str = "op", status: dict[str, Any] | None = None, **spec: Any) -> VMOperation:
    """An operation on that VM."""
    meta = spec.pop("metadata", {})
    whole = {"vmRef": {"name": "web"}, "operation": "start"} | spec
    return VMOperation.model_validate(
        {"metadata": {"name": name, "namespace": "default", "uid": name} | meta, "spec": whole, "status": status or {}}
    )


def wanted(**spec: Any) -> DesiredDomain:
    """The domain of that VM."""
    return desired_domain(machine(**spec), HOST)


def domain(
    state: DomainState = DomainState.RUNNING,
    reason: str = "booted",
    power: Power = Power.ON,
    *,
    desired: DesiredDomain | None = None,
    **changes: Any,
) -> ObservedDomain:
    """The domain as libvirt has it; of the wanted definition unless told otherwise."""
    digest = spec_hash(desired or wanted())
    active = state in {DomainState.RUNNING, DomainState.PAUSED, DomainState.SHUTDOWN}
    facts: dict[str, Any] = {
        "owner": Owner(UID, "default", "web", power, digest),
        "pid": 4711 if active else 0,
        "started_at": NOW.timestamp() - 100 if active else 0.0,
        "running_spec_hash": digest if active else "",
        "hardware": parse_domain(domain_xml(desired or wanted())).hardware,
    }
    return ObservedDomain(UID, "default.web", state, reason, **(facts | changes))


def off(reason: str = "shutdown", power: Power = Power.OFF, **changes: Any) -> ObservedDomain:
    """A domain that is off."""
    return domain(DomainState.SHUTOFF, reason, power, **changes)
