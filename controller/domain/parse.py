"""What does libvirt's XML say of a domain? Whose it is, its MACs, whether it has graphics and an agent."""

from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError, fromstring

from controller.domain.desired import AGENT_CHANNEL
from controller.domain.metadata import read_owner
from controller.hypervisor.port import Owner


@dataclass(frozen=True)
class DomainDescription:
    """What a domain's XML tells."""

    uuid: str
    name: str
    owner: Owner | None = None
    macs: tuple[str, ...] = ()
    has_graphics: bool = False
    agent_connected: bool = False
    """Only a running domain's XML knows."""


def parse_domain(xml: str) -> DomainDescription:
    """Read libvirt's XML of a domain; ValueError when it is none."""
    domain = _root(xml)
    uuid = domain.findtext("uuid", "").strip()
    return DomainDescription(
        uuid=uuid,
        name=domain.findtext("name", ""),
        owner=read_owner(domain.find("metadata"), uuid),
        macs=tuple(mac.get("address", "").lower() for mac in domain.findall("devices/interface/mac")),
        has_graphics=domain.find("devices/graphics") is not None,
        agent_connected=_agent_connected(domain),
    )


def _root(xml: str) -> Element:
    try:
        root = fromstring(xml)
    except ParseError as error:
        raise ValueError(f"not XML: {error}") from error
    if root.tag != "domain":
        raise ValueError(f"not a domain but <{root.tag}>")
    return root


def _agent_connected(domain: Element) -> bool:
    targets = domain.findall("devices/channel/target")
    return any(one.get("name") == AGENT_CHANNEL and one.get("state") == "connected" for one in targets)
