"""Where images may come from: asked of the address that is connected to, however it was named."""

import ipaddress

import pytest

from controller.node.images.addresses import AddressRules, networks

FORBIDDEN = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "169.254.169.254",
    "fe80::1",
    "fe80::1%eth0",
    "::1",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "fd00:ec2::254",
    "100.100.100.200",
    "224.0.0.1",
    "255.255.255.255",
    "ff02::1",
]
PRIVATE = ["10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd00::1", "::ffff:10.0.0.1"]
PUBLIC = ["93.184.216.34", "2606:2800:220:1::1"]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_host_itself_links_and_metadata_services_are_never_asked_by_default(address: str) -> None:
    assert not AddressRules().permits(address)


@pytest.mark.parametrize("address", [*PRIVATE, *PUBLIC])
def test_private_and_public_servers_are(address: str) -> None:
    assert AddressRules().permits(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_ones_can_be_forbidden(address: str) -> None:
    rules = AddressRules(forbidden=networks(["private"]))
    assert not rules.permits(address)
    assert rules.permits("93.184.216.34")


def test_what_is_allowed_goes_before_what_is_forbidden() -> None:
    rules = AddressRules(networks(["127.0.0.1/32", "10.1.0.0/16"]), networks(["private"]))
    assert rules.permits("127.0.0.1")
    assert rules.permits("10.1.2.3")
    assert not rules.permits("127.0.0.2")
    assert not rules.permits("10.2.2.3")


def test_networks_are_read_and_nonsense_refused() -> None:
    assert networks(["10.0.0.0/8"]) == (ipaddress.ip_network("10.0.0.0/8"),)
    for word in ("10.0.0.1/8", "example.org", ""):
        with pytest.raises(ValueError, match=r"network|host bits"):
            networks([word])
