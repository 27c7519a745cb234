"""Whether libvirt's XML is read right, and only our own domains are taken for ours."""

import pytest

from controller.domain.build import domain_xml
from controller.domain.parse import parse_domain
from controller.hypervisor.port import Power
from tests.unit.domain.cases import FULL, SMALL, UID

_LIVE = """
<domain type='qemu' id='3'>
  <name>web</name>
  <uuid>6f1b6c1e-5b0e-4a3a-9d52-2f3f7f6f0001</uuid>
  <metadata>
    <other xmlns='urn:other' uid='6f1b6c1e-5b0e-4a3a-9d52-2f3f7f6f0001'/>
  </metadata>
  <devices>
    <interface type='network'><mac address='52:54:00:AA:00:01'/></interface>
    <channel type='unix'>
      <target type='virtio' name='org.qemu.guest_agent.0' state='{state}'/>
    </channel>
  </devices>
</domain>
"""


def test_foreign_domain_has_no_owner() -> None:
    domain = parse_domain(_LIVE.format(state="connected"))

    assert (domain.uuid, domain.name, domain.owner) == (UID, "web", None)
    assert domain.macs == ("52:54:00:aa:00:01",)
    assert not domain.has_graphics


@pytest.mark.parametrize(("state", "connected"), [("connected", True), ("disconnected", False)])
def test_agent_channel(state: str, connected: bool) -> None:
    assert parse_domain(_LIVE.format(state=state)).agent_connected is connected


def test_what_was_built_is_read_back() -> None:
    domain = parse_domain(domain_xml(FULL))

    assert (domain.name, domain.has_graphics) == ("demo.web-1", True)
    assert domain.macs == ("52:54:00:aa:00:01", "52:54:00:aa:00:02", "52:54:00:aa:00:03")
    assert not domain.agent_connected


def test_copy_of_ours_is_not_ours() -> None:
    copy = domain_xml(SMALL).replace(f"<uuid>{UID}", "<uuid>11111111-5b0e-4a3a-9d52-2f3f7f6f0001")

    assert parse_domain(copy).owner is None


def test_power_of_another_version_neither_starts_nor_stops() -> None:
    owner = parse_domain(domain_xml(SMALL).replace('power="on"', 'power="hibernated"')).owner

    assert owner is not None
    assert owner.power is Power.GUEST_OFF


@pytest.mark.parametrize("text", ["", "<domain>", "<network/>", "no XML"])
def test_what_is_no_domain_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not"):
        parse_domain(text)
