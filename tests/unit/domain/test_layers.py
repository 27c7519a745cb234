"""Which file of a disk is written to: a layer never makes another disk of it."""

from dataclasses import replace

import pytest

from controller.domain.build import domain_xml, spec_hash
from controller.domain.layers import base_of, layer_path, with_layers
from controller.domain.parse import parse_domain
from controller.hypervisor.port import Hardware, PluggedDisk
from tests.unit.domain.cases import CASES

UID = "3f1c2b8a-4e7d-4c56-9a57-0c2a5b1d7e90"
BASE = f"/var/lib/disks/{UID}-root.qcow2"
LAYER = f"/var/lib/disks/{UID}-root@pre-upgrade.qcow2"


def test_a_layer_lies_beside_its_base() -> None:
    assert layer_path(BASE, "pre-upgrade") == LAYER
    assert base_of(LAYER) == BASE
    assert base_of(BASE) == BASE


@pytest.mark.parametrize("tag", ["", "a/b", "..", "A", "a@b", "-a", "a" * 64])
def test_a_tag_cannot_lead_anywhere_else(tag: str) -> None:
    with pytest.raises(ValueError, match="tag"):
        layer_path(BASE, tag)


@pytest.mark.parametrize("path", ["/images/win@2019.qcow2", "", f"/{UID}-root@a.raw", f"/{UID}-a@b@c.qcow2"])
def test_files_of_others_are_no_layers(path: str) -> None:
    assert base_of(path) == path


def test_the_domain_writes_to_the_layer_and_is_known_by_its_base() -> None:
    plain = CASES["full"]
    disks = (replace(plain.disks[0], path=BASE), *plain.disks[1:])
    plain = replace(plain, disks=disks)
    layered = with_layers(plain, Hardware(disks=(PluggedDisk(BASE, "vda", layer=LAYER),)))
    seen = parse_domain(domain_xml(layered)).hardware.disks[0]
    assert (seen.path, seen.layer) == (BASE, LAYER)
    assert spec_hash(layered) == spec_hash(plain)
    assert with_layers(layered, Hardware()) == plain
