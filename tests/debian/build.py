"""How does Debian with cloud-init become a disk image for the tests? `python -m tests.debian.build` makes it, once.

The disk is divided and started as the demo guest's: SYSLINUX on the first partition, the root file system on the last,
so that the guest can grow it. A newer recipe makes another image, newer Debian packages do not.
"""

import fcntl
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hyperctl.guest import bootloader, cpio, initramfs, modules, packages
from hyperctl.guest.host import run
from hyperctl.guest.partition import EFI_SYSTEM, LINUX, SECTOR, Partition, master_boot_record
from hyperctl.stack.privilege import as_root
from hypersdk.errors import HyperSDKError
from hypersdk.settings import places
from tests.debian import recipe

Tell = Callable[[str], None]
_MIB = 1 << 20
_BOOT = Partition(start=_MIB // SECTOR, sectors=40 * _MIB // SECTOR, kind=EFI_SYSTEM, is_active=True)
_ROOT = Partition(start=_BOOT.end, sectors=600 * _MIB // SECTOR, kind=LINUX)


def image(cache: Path, tell: Tell) -> Path:
    """The image, built when this recipe has not been built yet."""
    built = image_path(cache)
    if built.exists():
        return built
    home = cache / "debian"
    with _alone(home):
        if not built.exists():
            with tempfile.TemporaryDirectory(dir=home, prefix="build-") as scratch:
                _assemble(cache, built, Path(scratch), tell)
        return built


def image_path(cache: Path) -> Path:
    """Where this recipe's image is."""
    return cache / "debian" / _key() / "debian.qcow2"


def _assemble(cache: Path, built: Path, scratch: Path, tell: Tell) -> None:
    kernel, root = scratch / "kernel", scratch / "root"
    tell("unpack the kernel and the boot loader")
    files = packages.resolve()
    packages.fetch(files, cache / "guest" / "packages", tell)
    packages.unpack(files, cache / "guest" / "packages", kernel)
    _unpack_system(cache / "debian", root, tell)
    tell("put in our files")
    _furnish(root, kernel)
    tell("write the disk")
    disk = _write_disk(root, kernel, scratch)
    finished = scratch / built.name
    run(["qemu-img", "convert", "-c", "-o", "compression_type=zstd", "-O", "qcow2", str(disk), str(finished)])
    built.parent.mkdir(parents=True, exist_ok=True)
    finished.rename(built)


def _unpack_system(home: Path, root: Path, tell: Tell) -> None:
    """Debian as its packages leave it: installed once for these packages, so that the rest changes without network."""
    archive = home / f"system-{_digest(recipe.SYSTEM)}.tar"
    if not archive.exists():
        tell("install Debian (about a minute)")
        fresh = root.with_name("system.tar")
        left_out = [f"--dpkgopt=path-exclude={pattern}" for pattern in recipe.LEFT_OUT]
        include = f"--include={','.join(recipe.PACKAGES)}"
        run(["mmdebstrap", "--variant=minbase", "--quiet", include, *left_out, recipe.SUITE, str(fresh)])
        fresh.rename(archive)
    tell("unpack Debian")
    root.mkdir()
    run(["tar", "--extract", "--numeric-owner", "--xattrs", "--directory", str(root), "--file", str(archive)])


def _furnish(root: Path, kernel: Path) -> None:
    shutil.copytree(recipe.FILES, root, dirs_exist_ok=True)
    for folder in recipe.REMOVED:
        shutil.rmtree(root / folder)
    release = initramfs.kernel_release(kernel)
    where = modules.index(kernel / "lib/modules" / release)
    target = root / "lib/modules" / release
    target.mkdir(parents=True)
    for module in modules.collect((*modules.AT_BOOT, *modules.ON_DEMAND), where).values():
        (target / f"{module.name}.ko").write_bytes(module.content)
    for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        shutil.copy(kernel / "lib/modules" / release / name, target)
    run(["chroot", str(root), "depmod", release])
    run(["systemctl", "--root", str(root), "enable", *recipe.ENABLED])
    run(["systemctl", "--root", str(root), "mask", *recipe.MASKED])
    (root / recipe.GENERATORS).mkdir(exist_ok=True)
    for name in recipe.NOT_GENERATED:
        (root / recipe.GENERATORS / name).symlink_to("/dev/null")
    # Each guest makes its own; an empty machine-id is no first boot in systemd's sense, which would take its time.
    (root / "etc/machine-id").write_text("")
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()


def _write_disk(root: Path, kernel: Path, scratch: Path) -> Path:
    initrd, boot, system, disk = (scratch / name for name in ("initrd.gz", "boot.img", "root.img", "disk.img"))
    initrd.write_bytes(_initrd(kernel))
    vmlinuz = kernel / f"boot/vmlinuz-{initramfs.kernel_release(kernel)}"
    bootloader.write(bootloader.BootPartition(kernel, vmlinuz, initrd, _BOOT.sectors, _BOOT.start), boot)
    size = f"{_ROOT.sectors * SECTOR >> 10}k"
    run(["mke2fs", "-q", "-t", "ext4", "-L", recipe.LABEL, "-d", str(root), str(system), size])
    with disk.open("wb") as raw:
        raw.truncate(_ROOT.end * SECTOR)
        raw.write(master_boot_record(bootloader.boot_code(kernel), [_BOOT, _ROOT], signature=0x44454249))
        for partition, content in ((_BOOT, boot), (_ROOT, system)):
            raw.seek(partition.start * SECTOR)
            with content.open("rb") as source:
                shutil.copyfileobj(source, raw, _MIB)
    return disk


def _initrd(kernel: Path) -> bytes:
    where = modules.index(kernel / "lib/modules" / initramfs.kernel_release(kernel))
    carried = modules.collect(recipe.MODULES_OF_INIT, where)
    applets = ("sh", "cat", "findfs", "insmod", "mount", "switch_root", "umount")
    busybox = (kernel / "bin/busybox").read_bytes()
    entries = [
        *(cpio.folder(name) for name in ("bin", "dev", "modules", "proc", "root", "sys")),
        cpio.character_device("dev/console", 5, 1),
        cpio.file("bin/busybox", busybox, 0o755),
        *(cpio.link(f"bin/{name}", "busybox") for name in applets),
        *(cpio.file(f"modules/{module.name}.ko", module.content) for module in carried.values()),
        cpio.file("modules/order", "\n".join(carried).encode()),
        cpio.file("init", recipe.INIT.encode(), 0o755),
    ]
    return gzip.compress(cpio.archive(entries), mtime=0)


def _key() -> str:
    """Digest this folder and what of the demo guest's builder is used here."""
    folders = (Path(__file__).parent, Path(bootloader.__file__).parent)
    files = sorted(file for folder in folders for file in folder.rglob("*") if file.is_file())
    wanted = [file for file in files if file.suffix != ".pyc" and not file.is_relative_to(initramfs.SCRIPTS)]
    return _digest(b"".join(file.name.encode() + b"\0" + file.read_bytes() for file in wanted))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Let one builder work at a time; the second then finds the image of the first."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _as_root(cache: Path) -> int:
    """The same again: only root can lay out files that belong to others."""
    environ = (f"HYPERSDK_CACHE={cache}", "PYTHONDONTWRITEBYTECODE=1")
    again = (sys.executable, "-m", "tests.debian.build")
    return subprocess.run([*as_root("building the Debian guest"), "env", *environ, *again], check=False).returncode


def main() -> int:
    """Build, print each step with its time, and put the path on stdout."""
    started = time.monotonic()

    def tell(step: str) -> None:
        sys.stderr.write(f"{time.monotonic() - started:6.1f} s  {step}\n")

    cache = places(os.environ).cache
    try:
        if os.getuid() != 0 and not image_path(cache).exists():
            return _as_root(cache)
        built = image(cache, tell)
    except (HyperSDKError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    tell(f"ready, {built.stat().st_size >> 20} MiB")
    sys.stdout.write(f"{built}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
