"""The layers of a snapshot, made by the real qemu-img."""

import json
import subprocess
from pathlib import Path

import psutil
import pytest

from controller.hypervisor.blank_layers import blank_layers
from hypersdk.errors import Transient


def _base(path: Path) -> str:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), "5M"], check=True)
    return str(path)


def test_each_layer_stands_on_its_file_is_private_and_as_large(tmp_path: Path) -> None:
    below = {str(tmp_path / f"{name}@new.qcow2"): _base(tmp_path / f"{name}.qcow2") for name in ("root", "data")}
    with blank_layers(below) as made:
        made()
    for layer, file in below.items():
        facts = json.loads(subprocess.check_output(["qemu-img", "info", "--output=json", layer]))
        assert (facts["backing-filename"], facts["backing-filename-format"]) == (file, "qcow2")
        assert facts["virtual-size"] == 5 * 2**20
        assert Path(layer).stat().st_mode & 0o777 == 0o600
        subprocess.run(["qemu-img", "check", "-q", layer], check=True)


def test_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    layer = tmp_path / "root@new.qcow2"
    layer.write_text("in use")
    with (
        pytest.raises(Transient, match="is there already"),
        blank_layers({str(layer): _base(tmp_path / "root.qcow2")}) as made,
    ):
        made()
    assert layer.read_text() == "in use"


def test_what_cannot_be_made_is_told_in_the_words_of_qemu_img(tmp_path: Path) -> None:
    below = {str(tmp_path / "new.qcow2"): str(tmp_path / "gone.qcow2")}
    with pytest.raises(Transient, match=r"gone\.qcow2.*No such file"), blank_layers(below) as made:
        made()


def test_nothing_is_made_any_more_once_it_is_left(tmp_path: Path) -> None:
    with blank_layers({str(tmp_path / "new.qcow2"): _base(tmp_path / "root.qcow2")}):
        pass
    assert not [one for one in psutil.Process().children() if str(tmp_path / "new.qcow2") in one.cmdline()]
