"""What is in the guest's memory-resident root: programs, their libraries, kernel modules, our scripts?"""

import gzip
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from hyperctl.guest import cpio, modules
from hyperctl.guest.elf import needed
from hyperctl.guest.host import run
from hypersdk.errors import HyperSDKError

SCRIPTS = Path(__file__).parent / "rootfs"
"""The guest's own files, laid out as they will lie in its root."""

PROGRAMS = {
    "usr/bin/busybox": "busybox",
    "usr/sbin/dropbear": "dropbear",
    "usr/sbin/qemu-ga": "qemu-ga",
    "usr/sbin/resize2fs": "resize2fs",
}
"""Where programs go in the guest, and their names in the packages."""

_FOLDERS = (".", "dev", "proc", "run", "sys", "var/log")
_LINKS = {
    "bin": "usr/bin",
    "sbin": "usr/sbin",
    "lib": "usr/lib",
    "lib64": "usr/lib64",
    "var/run": "/run",
    **{f"usr/sbin/{name}": "../lib/guest/power" for name in ("poweroff", "reboot", "halt", "shutdown")},
}


def build(root: Path) -> bytes:
    """Pack the root file system from the packages' unpacked files."""
    entries = {
        entry.path: entry
        for entry in (*_skeleton(), *_applets(root), *_links(), *_programs(root), *_modules(root), *_scripts())
    }
    # Compressing harder costs the builder more than it saves the guest.
    return gzip.compress(cpio.archive(_with_folders(entries.values())), compresslevel=6, mtime=0)


def _skeleton() -> Iterable[cpio.Entry]:
    yield from (cpio.folder(path) for path in _FOLDERS)
    yield cpio.folder("tmp", mode=0o1777)
    # The kernel opens it for the first process, before anything is mounted.
    yield cpio.character_device("dev/console", 5, 1)


def _applets(root: Path) -> Iterable[cpio.Entry]:
    """Link every command that busybox has; letting the guest do it would cost it a fifth of a second."""
    for path in run([str(_find(root, "busybox")), "--list-full"]).split():
        folder, slash, name = path.removeprefix("usr/").partition("/")
        if slash:
            yield cpio.link(f"usr/{folder}/{name}", "/usr/bin/busybox")


def _links() -> Iterable[cpio.Entry]:
    return (cpio.link(path, target) for path, target in _LINKS.items())


def _programs(root: Path) -> Iterable[cpio.Entry]:
    waiting = [(target, _find(root, name)) for target, name in PROGRAMS.items()]
    seen: set[str] = set()
    while waiting:
        target, source = waiting.pop()
        content = source.read_bytes()
        yield cpio.file(target, content, mode=0o755)
        fresh = [name for name in needed(content) if name not in seen]
        seen.update(fresh)
        waiting += [(_library_path(name), _find(root, PurePosixPath(name).name)) for name in fresh]


def _library_path(name: str) -> str:
    """Return where the dynamic linker looks; it itself is asked for by its full path."""
    if name.startswith("/"):
        return f"usr/{name.lstrip('/').removeprefix('usr/')}"
    return f"usr/lib/x86_64-linux-gnu/{name}"


def _find(root: Path, name: str) -> Path:
    """Find a program or library; Debian moves them between /bin, /sbin, /lib and /usr."""
    folders = ("usr/bin", "usr/sbin", "bin", "sbin", "usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu")
    for folder in folders:
        if (path := root / folder / name).is_file():
            return path
    raise HyperSDKError(
        f"no Debian package of the guest brings {name}: the list in hyperctl/guest/packages.py is short"
    )


def kernel_release(root: Path) -> str:
    """Return the kernel's version as `uname -r` will print it."""
    return _one(root.glob("boot/vmlinuz-*"), "a kernel").name.removeprefix("vmlinuz-")


def _modules(root: Path) -> Iterable[cpio.Entry]:
    release = kernel_release(root)
    where = modules.index(_one(root.glob(f"lib/modules/{release}"), "kernel modules"))
    carried = modules.collect((*modules.AT_BOOT, *modules.ON_DEMAND), where)
    base = f"usr/lib/modules/{release}"
    yield from (cpio.file(f"{base}/{module.name}.ko", module.content) for module in carried.values())
    yield cpio.file(f"{base}/modules.dep", modules.dependency_table(carried).encode())
    yield cpio.file(f"{base}/modules.alias", modules.alias_table(carried).encode())
    yield cpio.file("etc/modules", " ".join(modules.AT_BOOT).encode() + b"\n")


def _scripts() -> Iterable[cpio.Entry]:
    for path in sorted(SCRIPTS.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            # An installed wheel may have lost the executable bit.
            yield cpio.file(str(path.relative_to(SCRIPTS)), content, 0o755 if content.startswith(b"#!") else 0o644)


def _with_folders(entries: Iterable[cpio.Entry]) -> list[cpio.Entry]:
    """Put every folder before what is in it, making those nobody named."""
    given = {entry.path: entry for entry in entries}
    parents = {str(parent) for path in given for parent in PurePosixPath(path).parents if str(parent) != "."}
    return [given[path] if path in given else cpio.folder(path) for path in sorted(parents | set(given))]


def _one(found: Iterable[Path], what: str) -> Path:
    for path in found:
        return path
    raise HyperSDKError(f"the kernel package brings no {what}: the guest cannot be built from it")
