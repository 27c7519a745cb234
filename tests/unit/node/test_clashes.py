"""Whose MAC it is when two VMs want the same one."""

from typing import Any

from controller.node.clashes import elder, given_macs, other_domain
from hypersdk.model.virtualmachine import VirtualMachine
from tests.unit.node.builders import UID, domain, machine

MAC = "02:00:00:00:00:0a"


def vm(uid: str, created: str = "2026-03-01T12:00:00Z", mac: str = MAC) -> VirtualMachine:
    networks: list[dict[str, Any]] = [{"name": "default", "macAddress": mac.upper()}, {"name": "second"}]
    return machine(metadata={"uid": uid, "name": uid, "creationTimestamp": created}, networks=networks)


def test_only_macs_that_the_spec_names_can_be_anothers() -> None:
    assert given_macs(machine()) == set()
    assert given_macs(vm("a")) == {MAC}


def test_domain_that_has_the_mac_is_named_whosever_it_is() -> None:
    foreign = domain(owner=None, macs=(MAC.upper(),))
    assert other_domain({MAC}, "another", [foreign]) == "domain default.web"
    assert other_domain({MAC}, UID, [foreign]) is None
    assert other_domain({MAC}, "another", [domain(macs=("02:00:00:00:00:0b",))]) is None


def test_of_two_that_come_together_exactly_one_waits() -> None:
    first, second, later = vm("a"), vm("b"), vm("0", "2026-03-01T12:00:01Z")
    everyone = [later, second, first]
    assert elder(first, {MAC}, everyone) is None
    assert elder(second, {MAC}, everyone) == "VM a"
    assert elder(later, {MAC}, everyone) is not None
    assert elder(later, {MAC}, [later, vm("c", mac="02:00:00:00:00:0b")]) is None
