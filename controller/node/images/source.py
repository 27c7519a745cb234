"""Where an image comes from: the spec's word, checked; short names through the catalogue."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from controller.node.images.catalogue import Entry, entry_of
from controller.node.images.s3 import Keys, checked_object
from hypersdk.errors import Terminal
from hypersdk.model.virtualmachine import Checksum

Algorithm = Literal["md5", "sha256", "sha512"]
DIGITS: Mapping[Algorithm, int] = {"md5": 32, "sha256": 64, "sha512": 128}


@dataclass(frozen=True)
class Digest:
    """A checksum that a file must have."""

    algorithm: Algorithm
    value: str


@dataclass(frozen=True)
class Source:
    """An image to import: a file of the host, a URL or an object in a store, and its digest if one was given."""

    url: str
    folder: Path | None = None
    """For a `file://` source the configured folder that it is in."""
    path: Path | None = None
    """And the checked file."""
    digest: Digest | None = None
    keys: Keys | None = None
    """For an `s3://` source: whose it is."""

    @property
    def words(self) -> str:
        """How a message names it: without the user, password or query of a URL, which may be secrets."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()

    @property
    def identity(self) -> str:
        """The same for what may share one import: URL, digest and whose keys; for a file also when it was written."""
        parts = [self.url, *((self.digest.algorithm, self.digest.value) if self.digest else ())]
        parts.append(self.keys.fingerprint if self.keys else "")
        if self.path is not None:
            parts.append(_version(self.path))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def resolve(
    word: str,
    checksum: Checksum | None,
    catalogue: Mapping[str, Entry],
    folders: tuple[Path, ...],
    keys: Keys | None = None,
) -> Source:
    """The source that `image.source` names; Terminal when there cannot be such an image."""
    entry = Entry(word) if "://" in word else entry_of(word, catalogue)
    digest = _digest(checksum) or _digest(entry.checksum)
    url = entry.url
    _check_shape(url)
    match url.partition("://")[0].lower():
        case "file":
            folder, path = _file(url, folders)
            return Source(url, folder, path, digest)
        case "http" | "https":
            check_host(url)
            return Source(url, digest=digest)
        case "s3":
            checked_object(url)
            return Source(url, digest=digest, keys=keys or Keys())
    raise Terminal("ImageSourceUnsupported", f"image {word}: use file://, http(s)://, s3:// or a short name")


def check_host(url: str) -> None:
    """Terminal for what is not a URL with a host."""
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or any(ord(sign) < 33 or ord(sign) == 127 for sign in url):
        raise Terminal("ImageSourceUnsupported", f"image {url!r} is not a URL with a host")


def _check_shape(url: str) -> None:
    try:
        urlsplit(url)
    except ValueError as error:
        raise Terminal("ImageSourceUnsupported", f"image {url!r} is no URL: {error}") from error


def _digest(checksum: Checksum | None) -> Digest | None:
    if checksum is None or not checksum.value:
        return None
    algorithm: Algorithm = checksum.type or "sha256"
    value = checksum.value.strip().lower().removeprefix(f"{algorithm}:")
    if re.fullmatch(f"[0-9a-f]{{{DIGITS[algorithm]}}}", value):
        return Digest(algorithm, value)
    words = f"checksum {checksum.value!r} is not {DIGITS[algorithm]} hexadecimal digits, as {algorithm} has"
    raise Terminal("InvalidChecksum", words)


def _file(url: str, folders: tuple[Path, ...]) -> tuple[Path, Path]:
    """The folder and the file behind a URL, symbolic links followed, if it is inside one of the folders."""
    parts = urlsplit(url)
    if parts.netloc not in {"", "localhost"}:
        raise Terminal("ImageNotAllowed", f"image {url}: a file:// URL has three slashes and names no host")
    path = unquote(parts.path)
    if ".." in Path(path).parts or "\0" in path or not path.startswith("/"):
        raise Terminal("ImageNotAllowed", f"image {url}: the path must be absolute and without '..'")
    try:
        real = Path(path).resolve()
    except (OSError, RuntimeError) as error:  # links that lead in a circle
        raise Terminal("ImageNotAllowed", f"image {url}: {error}") from error
    for folder in folders:
        if real.is_relative_to(folder) and real != folder:
            return folder, real
    allowed = ", ".join(map(str, folders)) or "none"
    raise Terminal("ImageNotAllowed", f"image {url} is outside of the node's image folders ({allowed})")


def _version(path: Path) -> str:
    try:
        facts = path.stat()
    except OSError:
        return ""
    return f"{facts.st_size} {facts.st_mtime_ns}"
