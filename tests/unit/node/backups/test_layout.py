"""A disk's file that is written from its beginning to its end is one that QEMU reads, holds what it should, no more."""

import itertools
import random
import subprocess
from pathlib import Path

import pytest

from controller.node.backups.layout import Layout, Qcow2, Raw
from controller.node.backups.runs import CLUSTER, Runs, both, rounded, without

TABLE = 8192
"""Clusters of one second-level table: 512 MiB of the disk."""


def content(cluster: int) -> bytes:
    """What the disk holds there."""
    return bytes([cluster % 251 + 1]) * CLUSTER


def file_of(layout: Layout, piece: int) -> bytes:
    """The file, piece by piece."""
    made = bytearray()
    for at in range(0, layout.size, piece):
        for span in layout.spans(at, min(piece, layout.size - at)):
            if span.disk is not None:
                first = span.disk // CLUSTER
                data = b"".join(content(first + n) for n in range(-(-span.size // CLUSTER)))[: span.size]
            else:
                data = span.content or bytes(span.size)
            assert len(data) == span.size
            made += data
    return bytes(made)


CASES: dict[str, tuple[int, Runs, Runs]] = {
    "empty": (1 << 20, [], []),
    "one cluster": (1 << 20, [(3, 4)], []),
    "everything": (1 << 20, [(0, 16)], []),
    "odd size": (5 * CLUSTER + 1536, [(1, 2), (5, 6)], []),
    "zeros over a base": (1 << 20, [(2, 4)], [(5, 9), (15, 16)]),
    "two tables": ((TABLE + 40) * CLUSTER, [(TABLE - 2, TABLE + 3)], [(TABLE + 10, TABLE + 12)]),
    "a hole as large as a table": (3 * TABLE * CLUSTER, [(1, 2), (2 * TABLE + 7, 2 * TABLE + 9)], []),
    "many tables": (400 * TABLE * CLUSTER, [(n * TABLE, n * TABLE + 1) for n in range(0, 400, 40)], []),
}


@pytest.mark.parametrize(("size", "data", "zeros"), CASES.values(), ids=CASES.keys())
def test_file_is_sound_and_holds_its_clusters(tmp_path: Path, size: int, data: Runs, zeros: Runs) -> None:
    layout = Qcow2(size, data, zeros)
    made = file_of(layout, 1 << 30)
    assert len(made) == layout.size
    assert all(file_of(layout, piece) == made for piece in (CLUSTER, 7 * CLUSTER))
    file = tmp_path / "disk.qcow2"
    file.write_bytes(made)
    subprocess.run(["qemu-img", "check", "-q", "-f", "qcow2", str(file)], check=True)
    read = [f"read -P {first % 251 + 1} {first * CLUSTER} 512" for first, _ in data]
    read += [f"read -P 0 {first * CLUSTER} {(last - first) * CLUSTER}" for first, last in zeros]
    words = ["qemu-io", "-f", "qcow2", *(word for one in read for word in ("-c", one)), str(file)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, input="")
    assert "failed" not in done.stdout + done.stderr


def test_zeros_hide_what_lies_below_and_holes_do_not(tmp_path: Path) -> None:
    (tmp_path / "base.qcow2").write_bytes(file_of(Qcow2(1 << 20, [(0, 16)]), 1 << 20))
    (tmp_path / "top.qcow2").write_bytes(file_of(Qcow2(1 << 20, [(2, 4)], [(5, 9)]), 1 << 20))
    top = str(tmp_path / "top.qcow2")
    below = ("-F", "qcow2", "-b", str(tmp_path / "base.qcow2"))
    subprocess.run(["qemu-img", "rebase", "-q", "-u", "-f", "qcow2", *below, top], check=True)
    subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", top, f"{top}.raw"], check=True)
    expected = [bytes(CLUSTER) if 5 <= n < 9 else content(n) for n in range(16)]
    assert Path(f"{top}.raw").read_bytes() == b"".join(expected)


@pytest.mark.parametrize("piece", [CLUSTER, 3 * CLUSTER, 1 << 30])
def test_raw_file_is_the_disk(piece: int) -> None:
    size = 9 * CLUSTER + 512
    made = file_of(Raw(size, [(1, 3), (4, 5), (8, 10)]), piece)
    held = {1, 2, 4, 8, 9}
    assert made == b"".join(content(n) if n in held else bytes(CLUSTER) for n in range(10))[:size]


def test_file_of_many_terabytes_counts_itself() -> None:
    layout = Qcow2(40 << 40, [(0, 20 << 24)], [])
    assert (20 << 40) < layout.size < (20 << 40) * 1.001
    (head,) = layout.spans(0, CLUSTER)
    assert head.content is not None
    assert layout.size // CLUSTER <= int.from_bytes(head.content[56:60]) * TABLE * (CLUSTER // 2)


def test_runs_are_sets_of_clusters() -> None:
    dice = random.Random(1)
    for _ in range(300):
        one, other = ({n for n in range(40) if dice.random() < dice.random()} for _ in range(2))
        left, right = (rounded((n * CLUSTER + 1, n * CLUSTER + 5) for n in sorted(each)) for each in (one, other))
        assert members(left) == one
        assert members(both(left, right)) == one & other
        assert members(without(left, right)) == one - other
    assert rounded([(0, 1), (CLUSTER, CLUSTER), (CLUSTER + 1, 3 * CLUSTER)]) == [(0, 3)]


def members(runs: Runs) -> set[int]:
    """The clusters of the runs, which must not touch each other."""
    assert all(first < last for first, last in runs)
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(runs))
    return {cluster for first, last in runs for cluster in range(first, last)}
