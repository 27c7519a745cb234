"""What is different in a domain's XML on another host? Its files, its networks, its mark; nothing the guest sees."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from xml.etree.ElementTree import Element, fromstring, tostring

from controller.domain.metadata import owner_element
from controller.hypervisor.port import Owner


@dataclass(frozen=True)
class NewEnd:
    """What an interface is attached to there."""

    kind: Literal["network", "bridge", "user"]
    source: str = ""


@dataclass(frozen=True)
class Home:
    """Where a domain is to live."""

    owner: Owner
    files: Mapping[str, str] = field(default_factory=dict)
    """Of disks and logs: the file there for each here. One that is not named is the same file on both hosts."""
    ends: Mapping[str, NewEnd] = field(default_factory=dict)
    """By MAC."""


def rehomed(xml: str, home: Home) -> str:
    """The XML with what is different there."""
    domain = fromstring(xml)
    for disk in domain.findall("devices/disk"):
        _move_disk(disk, home)
    for log in domain.findall("devices/*/log"):
        log.set("file", home.files.get(log.get("file", ""), log.get("file", "")))
    for interface in domain.findall("devices/interface"):
        mac = interface.find("mac")
        end = home.ends.get(mac.get("address", "").lower()) if mac is not None else None
        if end is not None:
            _attach(interface, end)
    _mark(domain, home.owner)
    return tostring(domain, encoding="unicode")


def _move_disk(disk: Element, home: Home) -> None:
    source = disk.find("source")
    if source is None or source.get("file", "") not in home.files:
        return
    source.set("file", home.files[source.get("file", "")])
    # A disk that was copied stands on nothing, and libvirt would believe what is said here.
    for below in disk.findall("backingStore"):
        disk.remove(below)


def _attach(interface: Element, end: NewEnd) -> None:
    there = interface.find("source")
    if interface.get("type") == end.kind and (there is None or there.get(end.kind) == end.source):
        return
    interface.set("type", end.kind)
    if there is not None:
        interface.remove(there)
    if end.kind != "user":
        interface.append(Element("source", {end.kind: end.source}))


def _mark(domain: Element, owner: Owner) -> None:
    mark = owner_element(owner)
    metadata = domain.find("metadata")
    if metadata is None:
        metadata = Element("metadata")
        domain.insert(0, metadata)
    for old in [one for one in metadata if one.tag.rpartition("}")[2] == "vm"]:
        metadata.remove(old)
    metadata.append(mark)
