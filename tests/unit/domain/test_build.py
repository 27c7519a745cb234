"""Whether the domain XML says what was desired, whatever the names are."""

from dataclasses import replace
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.domain.build import domain_xml, spec_hash
from controller.domain.desired import DesiredDomain, DiskFile
from controller.domain.disks import target
from controller.domain.parse import parse_domain
from controller.domain.ports import SPARE_PORTS
from controller.hypervisor.port import Owner, Power
from tests.unit.domain.cases import FULL, HOSTILE, SMALL, UID

# The first of them makes Hypothesis' table of all characters, which takes a busy machine some seconds.
PRINTABLE = st.text(st.characters(exclude_categories=["C"], include_characters="\t\u00ad\U000e0001"), min_size=1)


def test_same_input_gives_same_text() -> None:
    assert domain_xml(FULL) == domain_xml(replace(FULL))


def test_power_is_in_the_metadata_and_not_in_the_hash() -> None:
    on, off = parse_domain(domain_xml(SMALL, Power.ON)).owner, parse_domain(domain_xml(SMALL, Power.OFF)).owner

    assert on == Owner(UID, "demo", "web-1", Power.ON, spec_hash(SMALL))
    assert off == Owner(UID, "demo", "web-1", Power.OFF, spec_hash(SMALL))


def test_hash_changes_with_the_spec() -> None:
    others = [replace(SMALL, cpus=2), replace(SMALL, disks=FULL.disks), replace(SMALL, machine="pc"), FULL]

    assert len({spec_hash(SMALL), *map(spec_hash, others)}) == 5


def test_hash_of_a_vm_without_the_new_fields_stays() -> None:
    assert spec_hash(SMALL) == "f2ba66aad720854b"


def test_hostile_names_stay_text() -> None:
    xml = domain_xml(HOSTILE)
    domain = fromstring(xml)

    assert domain.find(".//script") is None
    assert "\x1b" not in xml
    assert domain.findtext("name") == 'a&b.<x y="1">\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}]]>'
    assert domain.find("devices/disk/serial") is None


@pytest.mark.timeout(60)
@settings(max_examples=60)
@given(namespace=st.text(), name=st.text(), path=st.text(), network=st.text(min_size=1))
def test_any_text_gives_xml_with_the_same_devices(namespace: str, name: str, path: str, network: str) -> None:
    desired = replace(
        FULL,
        namespace=namespace,
        name=name,
        disks=(replace(FULL.disks[0], path=path),),
        interfaces=(replace(FULL.interfaces[0], source=network),),
    )
    plain = replace(FULL, disks=FULL.disks[:1], interfaces=FULL.interfaces[:1])

    assert _tags(desired) == _tags(plain)


@pytest.mark.timeout(60)
@settings(max_examples=60)
@given(namespace=PRINTABLE, name=PRINTABLE, path=PRINTABLE, network=PRINTABLE)
def test_printable_text_is_read_back_as_it_was(namespace: str, name: str, path: str, network: str) -> None:
    desired = replace(
        FULL,
        namespace=namespace,
        name=name,
        disks=(replace(FULL.disks[0], path=path),),
        interfaces=(replace(FULL.interfaces[0], source=network),),
    )
    read = parse_domain(domain_xml(desired))

    assert read.owner == Owner(UID, namespace, name, Power.ON, spec_hash(desired))
    assert read.name == desired.domain_name
    assert [disk.path for disk in read.hardware.disks] == [path]
    assert [nic.source for nic in read.hardware.interfaces] == [network]


def _tags(desired: DesiredDomain) -> list[str]:
    return [element.tag for element in fromstring(domain_xml(desired)).iter()]


def test_disks_without_boot_order_boot_the_first() -> None:
    disks = (DiskFile("seed", "/s", "raw", "cdrom"), DiskFile("a", "/a", "raw"), DiskFile("b", "/b", "raw"))

    assert _boot_orders(disks) == [("vda", "1")]


def test_boot_orders_become_a_row() -> None:
    disks = (
        DiskFile("a", "/a", "raw", boot_order=7),
        DiskFile("b", "/b", "raw", boot_order=-3),
        DiskFile("seed", "/s", "raw", "cdrom", boot_order=7),
    )

    assert _boot_orders(disks) == [("vda", "2"), ("vdb", "1"), ("sda", "3")]


def _boot_orders(disks: tuple[DiskFile, ...]) -> list[tuple[str | None, str | None]]:
    domain = fromstring(domain_xml(replace(SMALL, disks=disks)))
    found = [(disk.find("target"), disk.find("boot")) for disk in domain.findall("devices/disk")]
    return [(one.get("dev"), boot.get("order")) for one, boot in found if one is not None and boot is not None]


@pytest.mark.parametrize(("index", "name"), [(0, "vda"), (25, "vdz"), (26, "vdaa"), (701, "vdzz"), (702, "vdaaa")])
def test_target_names(index: int, name: str) -> None:
    assert target("vd", index) == name


def test_serial_log_only_where_wanted() -> None:
    assert "<log" not in domain_xml(SMALL)
    assert "<log" in domain_xml(FULL)


def test_nothing_listens() -> None:
    domain = fromstring(domain_xml(FULL))

    assert [listen.get("type") for listen in domain.findall("devices/graphics/listen")] == ["none"]
    assert {serial.get("type") for serial in domain.findall("devices/serial")} == {"pty"}


def test_ports_are_kept_free_for_later_on_q35() -> None:
    ports = "devices/controller[@model='pcie-root-port']"

    assert len(fromstring(domain_xml(FULL)).findall(ports)) == 2 + 3 + 2 + 3 + SPARE_PORTS
    assert fromstring(domain_xml(replace(FULL, machine="pc"))).findall(ports) == []
