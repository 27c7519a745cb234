"""Where VMs of the local stack get their images: a folder of files, and a catalogue of short names for them."""

import os
import re
import shutil
from pathlib import Path

from hyperctl.stack.talk import Tell
from hypersdk.errors import HyperSDKError
from hypersdk.settings import Places

DEMO = "demo"
_HEADER = "# Short names of images. Add your own below [images].\n[images]\n"


def folder(places: Places) -> Path:
    """The folder of images that file:// may name."""
    return places.node / "library"


def catalogue(places: Places) -> Path:
    """The TOML file of short names."""
    return places.node / "catalogue.toml"


def ensure(places: Places, tell: Tell) -> None:
    """Build the demo image if it is not in the cache, and list it."""
    from hyperctl.guest.image import build

    try:
        places.cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HyperSDKError(f"{error}. Set HYPERSDK_CACHE to a folder that you may write") from error
    built = build(places.cache, tell)
    listed = folder(places) / f"{DEMO}-{built.parent.name}{built.suffix}"
    if not _is_copy(listed, built):
        copy(built, listed)
    enter(catalogue(places), DEMO, listed)
    tell(f"{listed.name} ready")


def copy(source: Path, target: Path) -> None:
    """Copy a file, whole or not at all, readable for the controller."""
    fresh = target.with_name(f".{target.name}.new")
    shutil.copyfile(source, fresh)
    fresh.chmod(0o644)
    os.utime(fresh, ns=(source.stat().st_atime_ns, source.stat().st_mtime_ns))
    fresh.rename(target)


def enter(file: Path, name: str, image: Path) -> None:
    """Put a name into the catalogue, and leave everything else in it as it is."""
    text = file.read_text() if file.exists() else _HEADER
    updated = with_entry(text, name, image.as_uri())
    if not file.exists() or updated != text:
        file.write_text(updated)


def with_entry(text: str, name: str, url: str) -> str:
    """The catalogue's text with that entry in its `[images]` table."""
    line = f'{name} = "{url}"'
    there = re.compile(rf"^{re.escape(name)}\s*=.*$", re.MULTILINE)
    if there.search(text):
        return there.sub(lambda _: line, text, count=1)
    table = re.compile(r"^\[images\][^\n]*\n?", re.MULTILINE)
    if found := table.search(text):
        return f"{text[: found.end()].rstrip()}\n{line}\n{text[found.end() :]}"
    return f"{text.rstrip()}\n\n[images]\n{line}\n".lstrip()


def _is_copy(copied: Path, original: Path) -> bool:
    if not copied.exists():
        return False
    one, other = copied.stat(), original.stat()
    return (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)
