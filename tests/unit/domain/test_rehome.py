"""A domain's XML for another host: its files and networks are other ones, what the guest sees is not."""

from dataclasses import replace
from xml.etree.ElementTree import fromstring

from controller.domain.build import domain_xml
from controller.domain.desired import DesiredDomain, DiskFile, Interface
from controller.domain.parse import parse_domain
from controller.domain.rehome import Home, NewEnd, rehomed
from controller.hypervisor.port import Owner, Power

UID = "5b702a2b-c0dd-4c09-9365-cc3b254666c5"
MAC = "52:54:00:12:34:56"
THERE = Owner(UID, "test", "web", Power.OFF, "new")
GUEST = DesiredDomain(
    uid=UID,
    namespace="test",
    name="web",
    cpus=1,
    memory_bytes=2**28,
    virt_type="qemu",
    disks=(DiskFile("root", "/here/root.qcow2", "qcow2"), DiskFile("data", "/both/data.qcow2", "qcow2")),
    interfaces=(Interface("default", "network", MAC, "default"),),
    console_log="/here/serial.log",
)


def test_files_and_networks_are_those_of_the_other_host() -> None:
    files = {"/here/root.qcow2": "/there/root.qcow2", "/here/serial.log": "/there/serial.log"}
    xml = rehomed(domain_xml(GUEST), Home(THERE, files, {MAC: NewEnd("bridge", "br0")}))
    found = parse_domain(xml)
    assert [disk.path for disk in found.hardware.disks] == ["/there/root.qcow2", "/both/data.qcow2"]
    assert [(one.mac, one.kind, one.source) for one in found.hardware.interfaces] == [(MAC, "bridge", "br0")]
    assert found.owner == THERE
    assert [log.get("file") for log in fromstring(xml).findall("devices/serial/log")] == ["/there/serial.log"]


def test_where_nothing_differs_only_the_mark_does() -> None:
    same = Owner(UID, "test", "web", Power.ON, parse_domain(domain_xml(GUEST)).owner.spec_hash)  # type: ignore[union-attr]
    before, after = fromstring(domain_xml(GUEST)), fromstring(rehomed(domain_xml(GUEST), Home(same)))
    assert [one.attrib for one in before.iter()] == [one.attrib for one in after.iter()]


def test_a_copied_disk_stands_on_nothing() -> None:
    xml = domain_xml(replace(GUEST, interfaces=()))
    below = "<backingStore type='file'><format type='raw'/><source file='/here/images/x.img'/></backingStore>"
    xml = xml.replace('<target dev="vda"', f'{below}<target dev="vda"')
    assert len(fromstring(xml).findall("devices/disk/backingStore")) == 1
    assert fromstring(rehomed(xml, Home(THERE, {"/here/root.qcow2": "/x"}))).find("devices/disk/backingStore") is None
    assert fromstring(rehomed(xml, Home(THERE))).find("devices/disk/backingStore") is not None
