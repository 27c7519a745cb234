"""Layers' files are made whole, and removed with all that is left of them."""

import os
from pathlib import Path

from controller.node.places import NodePlaces
from controller.node.snapshots.files import NodeLayerFiles


async def test_layer_is_removed_with_the_half_that_a_dead_controller_left(tmp_path: Path) -> None:
    files = NodeLayerFiles(NodePlaces(tmp_path))
    layer, other = tmp_path / "1c10e000-root@c-1.qcow2", tmp_path / ".1c10e000-root@c-2.qcow2.tmp"
    for path in (layer, layer.with_name(f".{layer.name}.tmp"), other):
        path.touch()
    await files.remove([str(layer)])
    assert os.listdir(tmp_path) == [other.name]
    await files.remove([str(layer)])
