"""Disks that are kept lie outside of everything that is removed with their VM."""

import subprocess
from pathlib import Path

import pytest

from controller.node.images.collect import backing_file
from controller.node.keeping import keep_disks, keeps_disks
from controller.node.places import NodePlaces
from controller.node.sharing import remove_unshared, sweep_released
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
    kept = keep_disks(places, machine(), {})
    folder = f"kept/default.web.{UID}"
    assert set(kept) == {
        tmp_path / "fast" / folder / "disk-data.qcow2",
        tmp_path / "state/disks" / folder / "root.qcow2",
    }
    assert all(path.read_text().startswith(UID) for path in kept)
    places.remove(UID)
    assert set(keep_disks(places, machine(), {})) == set(kept)
    assert not (tmp_path / "fast" / f".{UID}-half.tmp").exists()
    assert (tmp_path / "fast" / "11111111-2222-3333-4444-555555555555-root.qcow2").exists()


def test_name_that_is_no_folders_name_is_left_out(tmp_path: Path) -> None:
    kept = keep_disks(made(tmp_path), machine(metadata={"name": "../../etc"}), {})
    assert {path.parent.name for path in kept} == {UID}


@pytest.mark.parametrize("is_known", [True, False])
def test_layer_that_was_written_to_gets_the_name_of_its_disk(tmp_path: Path, is_known: bool) -> None:
    places = NodePlaces(tmp_path / "state", {})
    places.make()
    base = places.disk(UID, "standard", "root.qcow2")
    first, second, before = (base.with_name(f"{UID}-root@{tag}.qcow2") for tag in ("s-1", "s-2", "r-0"))
    for path, below in ((base, None), (first, base), (second, first), (before, base)):
        backing = ["-F", "qcow2", "-b", str(below)] if below is not None else []
        size = [] if below is not None else ["1M"]
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *backing, str(path), *size], check=True)
    base.with_name(f"{UID}-memory@s-2.save").write_text("memory")

    for _ in range(2):  # it may die between the two
        kept = keep_disks(places, machine(), {str(base): str(second)} if is_known else {})
    assert [path.name for path in kept] == (["root.qcow2"] if is_known else ["root@r-0.qcow2", "root@s-2.qcow2"])
    assert backing_file(kept[-1]) == first
    remove_unshared(places, UID)
    assert {path.name for path in base.parent.glob(f"{UID}*")} == {base.name, first.name}
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", str(kept[-1]), str(tmp_path / "copy.qcow2")], check=True)
    for path in kept:
        path.unlink()
    sweep_released(places)
    assert not list(base.parent.glob(f"{UID}*"))


def test_only_the_word_true_keeps() -> None:
    def kept(value: str) -> bool:
        return keeps_disks(machine(metadata={"annotations": {"hypersdk.io/keep-disks": value}}))

    assert kept("true")
    assert not kept("false")
    assert not keeps_disks(machine())
