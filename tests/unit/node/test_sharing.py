"""Files that others stand on stay until nobody does, and nothing else stays."""

import struct
from pathlib import Path

import pytest

from controller.node.keeping import keep_disks
from controller.node.places import NodePlaces
from controller.node.sharing import remove_unshared, shared, sweep_released
from hypersdk.model.marks import KEEP_DISKS
from tests.unit.node.builders import machine

STEM, LEAF, BUD = (f"{letter * 8}-0000-4000-8000-000000000000" for letter in "abc")


@pytest.fixture
def places(tmp_path: Path) -> NodePlaces:
    made = NodePlaces(tmp_path)
    made.make()
    return made


def disk(places: NodePlaces, name: str, below: Path | None = None) -> Path:
    """A qcow2 header that names what it stands on."""
    path = places.state / "disks" / name
    text = str(below).encode() if below is not None else b""
    path.write_bytes(b"QFI\xfb" + struct.pack(">IQI", 3, 64 if text else 0, len(text)) + bytes(44) + text)
    return path


def there(places: NodePlaces) -> set[str]:
    return {path.name for path in (places.state / "disks").glob("*.qcow2")}


def test_only_what_the_clone_stands_on_stays_and_goes_with_it(places: NodePlaces) -> None:
    base = disk(places, f"{STEM}-root.qcow2")
    frozen = disk(places, f"{STEM}-root@s-1.qcow2", base)
    disk(places, f"{STEM}-root@c-1.qcow2", frozen)
    disk(places, f"{STEM}-disk-data.qcow2")
    disk(places, f"{LEAF}-root.qcow2", frozen)
    assert shared(places, STEM) == {base.name, frozen.name}
    for _ in range(2):
        assert remove_unshared(places, STEM) == {base.name, frozen.name}
        assert there(places) == {base.name, frozen.name, f"{LEAF}-root.qcow2"}
    sweep_released(places)
    assert base.exists()
    assert not remove_unshared(places, LEAF)
    sweep_released(places)
    assert there(places) == set()
    assert list(places.released_folder.iterdir()) == []


def test_chain_of_clones_goes_at_once_when_its_last_goes(places: NodePlaces) -> None:
    base = disk(places, f"{STEM}-root.qcow2")
    middle = disk(places, f"{LEAF}-root.qcow2", base)
    disk(places, f"{BUD}-root.qcow2", middle)
    assert remove_unshared(places, STEM)
    assert remove_unshared(places, LEAF)
    remove_unshared(places, BUD)
    sweep_released(places)
    assert there(places) == set()


def test_half_made_layer_counts(places: NodePlaces) -> None:
    base = disk(places, f"{STEM}-root.qcow2")
    disk(places, f".{LEAF}-{LEAF}-root.qcow2.tmp", base)
    assert shared(places, STEM) == {base.name}


def test_disks_that_are_kept_stay_below_those_who_stand_on_them(places: NodePlaces) -> None:
    vm = machine(metadata={"uid": STEM, "annotations": {KEEP_DISKS: "true"}})
    base = disk(places, f"{STEM}-root.qcow2")
    disk(places, f"{STEM}-disk-data.qcow2")
    disk(places, f"{LEAF}-root.qcow2", base)
    for _ in range(2):
        kept = keep_disks(places, vm, {})
        assert [path.name for path in kept] == ["disk-data.qcow2", "root.qcow2"]
    assert remove_unshared(places, STEM) == {base.name}
    remove_unshared(places, LEAF)
    sweep_released(places)
    assert there(places) == set()
    assert all(path.exists() for path in kept)


def test_image_of_a_template_stays_for_the_disks_on_it(places: NodePlaces) -> None:
    image = places.template(STEM)
    image.write_bytes(disk(places, "tmp.qcow2").read_bytes())
    (places.state / "disks" / "tmp.qcow2").unlink()
    disk(places, f"{LEAF}-root.qcow2", image)
    assert remove_unshared(places, STEM) == {image.name}
    remove_unshared(places, LEAF)
    sweep_released(places)
    assert not image.exists()
