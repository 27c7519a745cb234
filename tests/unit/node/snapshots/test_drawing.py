"""Every file of a disk is drawn, with who has it open."""

import os
from pathlib import Path

from controller.node.snapshots.chain import LayerFile
from controller.node.snapshots.drawing import drawn
from controller.node.snapshots.openers import openers
from hyperctl.k8s.chains import drawing
from hypersdk.model.diskchain import DiskChain, Opener
from tests.unit.node.snapshots.test_chain import BASE, R1, S1, tree

QEMU = Opener(pid=7, process="qemu-system-x86_64 default.web", mode="write")


def test_chain_is_drawn_from_the_uppermost_down() -> None:
    files = {path: LayerFile(path, file.backing, 1 << 20) for path, file in tree(s1="base", r1="base").items()}
    points = {"one": frozenset({BASE}), "two": frozenset({S1})}
    layers = drawn(files, R1, points, {R1: [QEMU]})
    text = drawing(DiskChain(name="root", device="vda", layers=layers))
    assert [line.split()[:3] for line in text.splitlines()[1:]] == [
        ["2", "1.0Mi", Path(S1).name],
        ["2", "1.0Mi", Path(R1).name],
        ["1", "1.0Mi", Path(BASE).name],
        ["0", "/images/demo.qcow2"],
    ]
    assert text.splitlines()[0] == "root (vda) in /d"
    assert "the VM writes to it; qemu-system-x86_64 default.web (7) has it open to write" in text
    assert "snapshot one" in text
    assert "snapshot two" in text


def test_who_has_a_file_open_is_found(tmp_path: Path) -> None:
    path, other = tmp_path / "a.qcow2", tmp_path / "b.qcow2"
    path.touch()
    other.touch()
    with path.open("rb"):
        assert [(one.pid, one.mode) for one in openers([str(path)])[str(path)]] == [(os.getpid(), "read")]
        with path.open("r+b"):
            assert [one.mode for one in openers([str(path)])[str(path)]] == ["write"]
    assert openers([str(path), str(other)]) == {}
