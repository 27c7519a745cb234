"""Whether devices of a changed definition stay where they are."""

from dataclasses import replace
from xml.etree.ElementTree import Element, fromstring, indent, tostring

from controller.domain.addresses import settled
from controller.domain.build import domain_xml
from controller.domain.desired import DesiredDomain, DiskFile
from controller.domain.parse import parse_domain
from tests.unit.domain.cases import FULL

ROOT, DATA, SEED = FULL.disks
MORE = DiskFile("more", "/more", "qcow2")


def as_libvirt_has_it(desired: DesiredDomain, first_bus: int = 1) -> str:
    """The definition after libvirt has given every disk and interface a place."""
    domain = fromstring(domain_xml(desired))
    devices = domain.findall("devices/disk[@device='disk']") + domain.findall("devices/interface")
    for bus, device in enumerate(devices, start=first_bus):
        device.append(fromstring(f"<address type='pci' bus='{bus:#04x}'/>"))
    kind = domain.find("os/type")
    assert kind is not None
    kind.set("machine", f"pc-{desired.machine}-7.2")
    indent(domain)
    return tostring(domain, encoding="unicode")


def places(xml: str) -> dict[str, str]:
    """Target and bus of each device, by what it is."""
    devices = [*fromstring(xml).findall("devices/disk"), *fromstring(xml).findall("devices/interface")]
    return {
        _name(device): f"{_of(device, 'target', 'dev')} {_of(device, 'address', 'bus')}".strip() for device in devices
    }


def _name(device: Element) -> str:
    return device.findtext("serial") or _of(device, "mac", "address") or "disc"


def _of(device: Element, tag: str, attribute: str) -> str:
    found = device.find(tag)
    return found.get(attribute, "") if found is not None else ""


def test_devices_keep_their_places_when_one_goes_and_one_comes() -> None:
    wanted = replace(FULL, disks=(MORE, DATA, SEED), interfaces=FULL.interfaces[1:])

    assert places(settled(domain_xml(wanted), as_libvirt_has_it(FULL))) == {
        "more": "vda",
        "data": "vdb 0x02",
        "disc": "sda",
        "52:54:00:aa:00:02": "0x04",
        "52:54:00:aa:00:03": "0x05",
    }


def test_new_disk_takes_no_name_that_is_taken() -> None:
    wanted = replace(FULL, disks=(DATA, MORE, replace(MORE, name="last", path="/last"), SEED))
    before = as_libvirt_has_it(FULL)

    moved = places(settled(domain_xml(wanted), before))
    assert (moved["data"], moved["more"], moved["last"]) == ("vdb 0x02", "vda", "vdc")


def test_first_definition_and_other_machine_are_as_they_were_built() -> None:
    other = domain_xml(replace(FULL, machine="pc"))

    assert settled(other, as_libvirt_has_it(FULL)) == other


def test_owner_and_everything_else_stays() -> None:
    xml = domain_xml(FULL)
    kept = settled(xml, domain_xml(FULL))

    assert parse_domain(kept) == parse_domain(xml)
    assert "<domain type" in kept
    assert 'xmlns:hypersdk="https://hypersdk.io/v1alpha1" />' in kept
