"""What does libvirt's XML say of a domain? Whose it is, its MACs, whether it has graphics and an agent."""

from dataclasses import dataclass, field
from functools import lru_cache
from xml.etree.ElementTree import Element, ParseError, fromstring

from controller.domain.desired import AGENT_CHANNEL
from controller.domain.hardware import read_hardware
from controller.domain.metadata import read_owner
from controller.hypervisor.port import Hardware, Owner

REMEMBERED = 256
"""Texts of some 10 KB: a domain is looked at again and again, and its text is nearly always the same."""


@dataclass(frozen=True)
class DiskPlace:
    """One disk: its device in the guest, its name in the spec where the guest is told it, and its file."""

    device: str
    name: str
    path: str


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
    hardware: Hardware = field(default_factory=Hardware)
    disks: tuple[DiskPlace, ...] = ()


@lru_cache(maxsize=REMEMBERED)
def parse_domain(xml: str) -> DomainDescription:
    """Read libvirt's XML of a domain; ValueError when it is none. A text that came before is not read again."""
    domain = _root(xml)
    uuid = domain.findtext("uuid", "").strip()
    return DomainDescription(
        uuid=uuid,
        name=domain.findtext("name", ""),
        owner=read_owner(domain.find("metadata"), uuid),
        macs=tuple(mac.get("address", "").lower() for mac in domain.findall("devices/interface/mac")),
        has_graphics=domain.find("devices/graphics") is not None,
        agent_connected=_agent_connected(domain),
        hardware=read_hardware(domain),
        disks=tuple(_disk_place(disk) for disk in domain.findall("devices/disk")),
    )


def _root(xml: str) -> Element:
    try:
        root = fromstring(xml)
    except ParseError as error:
        raise ValueError(f"not XML: {error}") from error
    if root.tag != "domain":
        raise ValueError(f"not a domain but <{root.tag}>")
    return root


def _disk_place(disk: Element) -> DiskPlace:
    target, source = disk.find("target"), disk.find("source")
    device = target.get("dev", "") if target is not None else ""
    places = source.attrib if source is not None else {}
    path = places.get("file") or places.get("dev") or places.get("name") or ""
    return DiskPlace(device, disk.findtext("serial") or device, path)


def _agent_connected(domain: Element) -> bool:
    targets = domain.findall("devices/channel/target")
    return any(one.get("name") == AGENT_CHANNEL and one.get("state") == "connected" for one in targets)
