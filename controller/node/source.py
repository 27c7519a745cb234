"""Where an image comes from: the spec's word, checked; short names through the catalogue."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from hypersdk.errors import ConfigError, Terminal
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
    """An image to import: a file of the host or a URL, and its digest if one was given."""

    url: str
    path: Path | None = None
    """The checked file for a `file://` source."""
    digest: Digest | None = None

    @property
    def words(self) -> str:
        """How a message names it: without the user, password or query of a URL, which may be secrets."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def read_catalogue(path: Path | None) -> dict[str, str]:
    """Short names and their URLs, from the table `[images]` of a TOML file."""
    if path is None:
        return {}
    try:
        table = tomllib.loads(path.read_text()).get("images", {})
    except (OSError, ValueError) as error:
        raise ConfigError(f"the image catalogue {path} cannot be read: {error}") from error
    return {str(name): str(url) for name, url in table.items()}


def resolve(word: str, checksum: Checksum | None, catalogue: Mapping[str, str], folders: tuple[Path, ...]) -> Source:
    """The source that `image.source` names; Terminal when there cannot be such an image."""
    url = word if "://" in word else _from_catalogue(word, catalogue)
    digest = _digest(checksum)
    scheme = url.partition("://")[0].lower()
    match scheme:
        case "file":
            return Source(url, _file(url, folders), digest)
        case "http" | "https":
            _check_host(url)
            return Source(url, None, digest)
        case "s3":
            raise Terminal("ImageSourceUnsupported", f"image {word}: s3:// is not supported yet; use http(s)://")
    raise Terminal("ImageSourceUnsupported", f"image {word}: use file://, http://, https:// or a short name")


def _from_catalogue(word: str, catalogue: Mapping[str, str]) -> str:
    if word in catalogue:
        return catalogue[word]
    known = ", ".join(sorted(catalogue)) or "none"
    raise Terminal("ImageNotFound", f"no image is named {word!r}; known names: {known}")


def _digest(checksum: Checksum | None) -> Digest | None:
    if checksum is None or not checksum.value:
        return None
    algorithm: Algorithm = checksum.type or "sha256"
    value = checksum.value.strip().lower().removeprefix(f"{algorithm}:")
    if re.fullmatch(f"[0-9a-f]{{{DIGITS[algorithm]}}}", value):
        return Digest(algorithm, value)
    raise Terminal("InvalidChecksum", f"checksum {checksum.value!r} is not {DIGITS[algorithm]} hexadecimal digits")


def _file(url: str, folders: tuple[Path, ...]) -> Path:
    """The file behind a URL, symbolic links followed, if it is inside one of the folders."""
    parts = urlsplit(url)
    if parts.netloc not in {"", "localhost"}:
        raise Terminal("ImageNotAllowed", f"image {url}: a file:// URL has three slashes and names no host")
    path = unquote(parts.path)
    if ".." in Path(path).parts or "\0" in path or not path.startswith("/"):
        raise Terminal("ImageNotAllowed", f"image {url}: the path must be absolute and without '..'")
    real = Path(path).resolve()
    if not any(real.is_relative_to(folder) for folder in folders):
        allowed = ", ".join(map(str, folders)) or "none"
        raise Terminal("ImageNotAllowed", f"image {url} is outside of the node's image folders ({allowed})")
    return real


def _check_host(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise Terminal("ImageSourceUnsupported", f"image {url!r} is not a URL with a host")
