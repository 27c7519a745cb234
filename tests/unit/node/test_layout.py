"""Which disks a VM has: what each begins with, where it lies, and which sources are refused."""

from pathlib import Path
from typing import Any

import pytest

from controller.node.finding import NotYet
from controller.node.layout import Origin, PlannedDisk, planned_disks
from controller.node.places import NodePlaces
from hypersdk.errors import Terminal
from hypersdk.model.virtualmachine import Checksum
from tests.unit.node.builders import PLACES, UID, machine

GIB = 2**30


def disk(name: str = "data", **more: Any) -> dict[str, Any]:
    """A disk of the spec."""
    return {"name": name, "size": "1Gi"} | more


def planned(*disks: dict[str, Any], **spec: Any) -> list[PlannedDisk]:
    """What is made of them."""
    return list(planned_disks(machine(disks=list(disks), **spec), PLACES))


@pytest.mark.parametrize(
    ("disks", "holder"),
    [
        ([disk("a"), disk("b")], "a"),
        ([disk("iso", type="cdrom", source={"http": "http://h/x.iso"}), disk("b")], "b"),
        ([disk("a", source={"http": "http://h/x"}), disk("b")], "b"),
        ([disk("a", source={"http": "http://h/x"})], "root"),
    ],
    ids=["the first", "past a cdrom", "past a source of its own", "none fits"],
)
def test_image_goes_to_the_first_disk_that_can_hold_it(disks: list[dict[str, Any]], holder: str) -> None:
    (root,) = [one for one in planned(*disks) if one.origin == Origin("demo")]
    assert root.file.name == holder
    assert root.path == Path(f"/state/disks/{UID}-root.qcow2")


def test_sources_of_disks_carry_digest_and_secret() -> None:
    source = {"s3": "bucket/k.img", "secretRef": {"name": "keys"}, "checksum": {"type": "md5", "value": "a" * 32}}
    (made,) = planned(disk("a", source=source), image=None)
    assert made.origin == Origin("s3://bucket/k.img", Checksum(type="md5", value="a" * 32), "keys")
    assert made.size_bytes == GIB


def test_cdrom_is_a_read_only_name_of_its_image() -> None:
    (made,) = planned(disk("iso", type="cdrom", source={"http": "tools"}, bootOrder=1), image=None)
    assert (made.file.device, made.file.format, made.file.read_only, made.file.boot_order) == ("cdrom", "raw", True, 1)
    assert made.path.match(f"/state/images/links/{UID}-disk-iso-*.iso")
    (other,) = planned(disk("iso", type="cdrom", source={"http": "others"}), image=None)
    assert other.path != made.path
    (empty,) = planned(disk("iso", type="cdrom"), image=None)
    assert empty.is_empty_drive


def test_secret_of_the_image_is_the_root_disks() -> None:
    (made,) = planned(disk(), image={"source": "s3://bucket/k", "secretRef": {"name": "keys"}})
    assert made.origin == Origin("s3://bucket/k", None, "keys")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ({"pvc": "p"}, "DiskSourceUnsupported"),
        ({"containerDisk": "quay.io/x"}, "DiskSourceUnsupported"),
        ({"http": "file:///etc/shadow"}, "InvalidDiskSource"),
        ({"http": "s3://bucket/key"}, "InvalidDiskSource"),
        ({"s3": "http://h/x"}, "InvalidDiskSource"),
        ({"http": "http://h/x", "s3": "s3://bucket/key"}, "InvalidDiskSource"),
    ],
)
def test_sources_that_cannot_be_are_refused(source: dict[str, str], reason: str) -> None:
    with pytest.raises(Terminal) as refused:
        planned(disk(source=source))
    assert refused.value.reason == reason


def test_class_that_is_a_pool_waits_until_its_folder_is_known() -> None:
    places = NodePlaces(Path("/state"), pools={"lab": "lab-pool"})
    vm = machine(image=None, disks=[disk(storageClass="lab")])
    with pytest.raises(NotYet) as waiting:
        planned_disks(vm, places)
    assert waiting.value.reason == "PoolUnknown"
    places.found["lab"] = Path("/srv/lab")
    assert planned_disks(vm, places)[0].path == Path(f"/srv/lab/{UID}-disk-data.qcow2")
    assert places.roots() == [Path("/srv/lab"), Path("/state/disks")]


def test_files_of_a_machine_are_removed_and_no_others(tmp_path: Path) -> None:
    places = NodePlaces(tmp_path / "state", {"fast": tmp_path / "fast"})
    places.make()
    other = UID.replace("6", "7")
    for root in places.roots():
        for name in (f"{UID}-root.qcow2", f".{UID}-x.tmp", f"{other}-root.qcow2", f"x{UID}-root.qcow2"):
            (root / name).touch()
    places.linked(UID, "disk-iso.iso").touch()
    places.remove(UID)
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {f"{other}-root.qcow2", f"x{UID}-root.qcow2"}
    places.remove(UID)
