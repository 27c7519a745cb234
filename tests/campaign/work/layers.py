"""What is on disks, and in which files? Read by qemu-io and qemu-img, beside whoever writes to them."""

import asyncio
import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.nodes.counting import content


@dataclass(frozen=True)
class Spot:
    """Where on a disk a guest leaves its mark."""

    offset: str
    length: str

    def __str__(self) -> str:
        return f"{self.offset} {self.length}"


ROOT, DATA = Spot("9728k", "256k"), Spot("1M", "4M")
"""Behind what the counting guest's image has, and on a disk that is empty else."""
Spots = Sequence[Spot | None]
"""On each disk; None on one that is the guest's own."""
SPOTS: Spots = (ROOT, DATA)


async def write(tips: Sequence[Path], mark: int, spots: Spots = SPOTS) -> None:
    """Mark the disks of a guest that is off."""
    for tip, spot in zip(tips, spots, strict=True):
        await _run("qemu-io", "-f", "qcow2", "-c", f"write -P {mark} {spot}", str(tip))


async def assert_marked(files: Sequence[Path], mark: int, spots: Spots = SPOTS) -> None:
    """Every disk has that mark."""
    for path, spot in zip(files, spots, strict=True):
        if spot is None:
            continue
        said = await _run("qemu-io", "-U", "-r", "-f", "qcow2", "-c", f"read -P {mark} {spot}", str(path))
        assert "Pattern verification failed" not in said, f"{path.name} has another mark than {mark}"


async def assert_content(root: Path, image: Path) -> None:
    """What the guest never writes to is as in its image."""
    with tempfile.NamedTemporaryFile(suffix=".raw") as raw:
        await _run("qemu-img", "convert", "-U", "-f", "qcow2", "-O", "raw", str(root), raw.name)
        found, wanted = [await asyncio.to_thread(path.read_bytes) for path in (Path(raw.name), image)]
    assert content(found[: len(wanted)]) == content(wanted), f"{root.name} is not as its image"


async def assert_well_formed(path: Path) -> None:
    """qemu-img finds nothing wrong with a file that nobody writes to."""
    await _run("qemu-img", "check", "-q", "-U", "-f", "qcow2", str(path))


async def chain(tip: Path) -> list[Path]:
    """The file and all that it stands on."""
    said = await _run("qemu-img", "info", "-U", "--backing-chain", "--output=json", str(tip))
    return [Path(layer["filename"]) for layer in json.loads(said)]


async def size(path: Path) -> int:
    """Bytes of the disk that is in the file."""
    return int(json.loads(await _run("qemu-img", "info", "-U", "--output=json", str(path)))["virtual-size"])


async def _run(*words: str) -> str:
    done = await asyncio.to_thread(subprocess.run, words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout
