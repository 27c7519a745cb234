"""Disks that are kept lie outside of everything that is removed with their VM."""

from pathlib import Path

from controller.node.keeping import keep_disks, keeps_disks
from controller.node.places import NodePlaces
from tests.unit.node.builders import UID, machine


def made(tmp_path: Path) -> NodePlaces:
    """Two folders of disks, with a VM's and somebody else's."""
    places = NodePlaces(tmp_path / "state", {"fast": tmp_path / "fast"})
    places.make()
    for path in (
        places.disk(UID, "standard", "root.qcow2"),
        places.disk(UID, "fast", "disk-data.qcow2"),
        tmp_path / "fast" / f".{UID}-half.tmp",
        tmp_path / "fast" / "11111111-2222-3333-4444-555555555555-root.qcow2",
    ):
        path.write_text(path.name)
    return places


def test_disks_are_moved_once_and_found_again(tmp_path: Path) -> None:
    places = made(tmp_path)
    kept = keep_disks(places, machine())
    folder = f"kept/default.web.{UID}"
    assert set(kept) == {
        tmp_path / "fast" / folder / "disk-data.qcow2",
        tmp_path / "state/disks" / folder / "root.qcow2",
    }
    assert all(path.read_text().startswith(UID) for path in kept)
    places.remove(UID)
    assert set(keep_disks(places, machine())) == set(kept)
    assert not (tmp_path / "fast" / f".{UID}-half.tmp").exists()
    assert (tmp_path / "fast" / "11111111-2222-3333-4444-555555555555-root.qcow2").exists()


def test_name_that_is_no_folders_name_is_left_out(tmp_path: Path) -> None:
    kept = keep_disks(made(tmp_path), machine(metadata={"name": "../../etc"}))
    assert {path.parent.name for path in kept} == {UID}


def test_only_the_word_true_keeps() -> None:
    def kept(value: str) -> bool:
        return keeps_disks(machine(metadata={"annotations": {"hypersdk.io/keep-disks": value}}))

    assert kept("true")
    assert not kept("false")
    assert not keeps_disks(machine())
