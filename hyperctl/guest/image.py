"""How do packages become one bootable qcow2 file, once for each version of packages and builder?"""

import fcntl
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from hyperctl.guest import bootloader, initramfs
from hyperctl.guest.host import require_tools, run
from hyperctl.guest.packages import Package, fetch, resolve, unpack
from hyperctl.guest.partition import EFI_SYSTEM, LINUX, SECTOR, Partition, master_boot_record
from hypersdk.errors import HyperSDKError

Tell = Callable[[str], None]

_MIB = 1 << 20
_BOOT = Partition(start=_MIB // SECTOR, sectors=40 * _MIB // SECTOR, kind=EFI_SYSTEM, is_active=True)
_DATA = Partition(start=_BOOT.end, sectors=64 * _MIB // SECTOR, kind=LINUX)
_NEEDED_SPACE = 500 * _MIB


def build(cache: Path, tell: Tell, refresh: bool = False) -> Path:
    """Return the image, made only when these packages and this builder have not made it yet.

    The packages are those of the first time until `refresh` asks apt again, so that nothing changes under a user.
    """
    home = cache / "guest"
    try:
        with _alone(home):
            return _build(home, tell, refresh)
    except OSError as error:
        place = error.filename or home
        raise HyperSDKError(
            f"the guest image cannot be written ({error.strerror}: {place}): free space there"
        ) from error


def image_path(home: Path, packages: Sequence[Package]) -> Path:
    """Return where this builder puts the image it makes of these packages."""
    key = hashlib.sha256(_sources())
    for package in packages:
        key.update(f"{package.file} {package.checksum}\n".encode())
    return home / key.hexdigest()[:16] / "guest.qcow2"


def _build(home: Path, tell: Tell, refresh: bool) -> Path:
    packages = () if refresh else _recorded(home)
    if packages and (image := image_path(home, packages)).exists():
        return image
    require_tools()
    _require_space(home)
    # Old versions leave the archive: a record is only good together with its files.
    if not packages or not all(package.is_at(home / "packages" / package.file) for package in packages):
        tell("look up Debian packages")
        packages = resolve()
    image = image_path(home, packages)
    if not image.exists():
        fetch(packages, home / "packages", tell)
        _assemble(packages, home, image, tell)
    _record(home, packages)
    return image


def _assemble(packages: Sequence[Package], home: Path, image: Path, tell: Tell) -> None:
    with tempfile.TemporaryDirectory(dir=home, prefix="build-") as name:
        scratch = Path(name)
        tell("unpack the packages")
        root = scratch / "root"
        unpack(packages, home / "packages", root)
        tell("pack the initramfs")
        initrd = scratch / "initrd.gz"
        initrd.write_bytes(initramfs.build(root))
        tell("write the disk")
        disk = _write_disk(root, initrd, scratch)
        finished = scratch / image.name
        run(["qemu-img", "convert", "-O", "qcow2", str(disk), str(finished)])
        image.parent.mkdir(parents=True, exist_ok=True)
        finished.rename(image)


def _write_disk(root: Path, initrd: Path, scratch: Path) -> Path:
    kernel = root / f"boot/vmlinuz-{initramfs.kernel_release(root)}"
    boot, data, disk = scratch / "boot.img", scratch / "data.img", scratch / "disk.img"
    bootloader.write(bootloader.BootPartition(root, kernel, initrd, _BOOT.sectors, _BOOT.start), boot)
    # Room in its tables for the thousandfold, which the guest grows into when its disk is larger.
    run(["mke2fs", "-q", "-t", "ext4", "-b", "4096", "-L", "guest-data", str(data), f"{_DATA.sectors * SECTOR >> 10}k"])
    with disk.open("wb") as raw:
        raw.truncate(_DATA.end * SECTOR)
        raw.write(master_boot_record(bootloader.boot_code(root), [_BOOT, _DATA], signature=0x48595045))
        for partition, content in ((_BOOT, boot), (_DATA, data)):
            raw.seek(partition.start * SECTOR)
            raw.write(content.read_bytes())
    return disk


def _sources() -> bytes:
    """Digest the builder itself: another builder makes another image."""
    here = Path(__file__).parent
    files = sorted(path for path in here.rglob("*") if path.is_file() and path.suffix != ".pyc")
    digests = (hashlib.sha256(path.read_bytes()).hexdigest() for path in files)
    return "\n".join(f"{path.relative_to(here)} {digest}" for path, digest in zip(files, digests, strict=True)).encode()


def _recorded(home: Path) -> tuple[Package, ...]:
    try:
        return tuple(Package(**entry) for entry in json.loads((home / "packages.json").read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return ()


def _record(home: Path, packages: Sequence[Package]) -> None:
    fresh = home / "packages.json.new"
    fresh.write_text(json.dumps([asdict(package) for package in packages], indent=1))
    fresh.rename(home / "packages.json")


def _require_space(home: Path) -> None:
    free = shutil.disk_usage(home).free
    if free < _NEEDED_SPACE:
        have, want = free // _MIB, _NEEDED_SPACE // _MIB
        raise HyperSDKError(f"{home} has {have} MiB free, the guest image takes {want} MiB to build: free space there")


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Let one builder work at a time; the second then finds the image of the first."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
