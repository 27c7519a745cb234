"""Which Debian packages make the guest, and how do their files get here without being installed?"""

import hashlib
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hyperctl.guest.host import run
from hypersdk.errors import HyperSDKError

KERNEL = "linux-image-cloud-amd64"
"""The name that always depends on the newest kernel for virtual machines."""

ROOTS = (
    "busybox-static",
    "dropbear-bin",
    "e2fsprogs",
    "grub-efi-amd64-signed",
    "qemu-guest-agent",
    "shim-signed",
    "syslinux",
)
"""What the guest takes files from, besides the kernel; libraries are followed from here."""

# Their dependencies are other packages' business: only single files are taken from them.
_FILES_ONLY = frozenset({"grub-efi-amd64-signed", "shim-signed", "syslinux"})
_NO_LISTS = "if the package lists are missing or old, run apt-get update as root (or with sudo)"
# Virtual packages stand in <>, those of another architecture have a colon: neither is a name here.
_DEPENDS = re.compile(r"^ [ |](?:Pre)?Depends: ([a-z0-9][a-z0-9.+-]*)$")
_URI = re.compile(r"^'(?P<uri>[^']+)' (?P<file>[^ /]+\.deb) (?P<size>\d+) (?P<kind>SHA\d+):(?P<sum>[0-9a-f]+)$")


@dataclass(frozen=True)
class Package:
    """One .deb file: its name carries package, version and architecture."""

    file: str
    size: int
    kind: str
    checksum: str

    @property
    def name(self) -> str:
        """The package's name."""
        return self.file.partition("_")[0]

    @property
    def version(self) -> str:
        """The package's version."""
        return self.file.split("_")[1].replace("%3a", ":")

    def is_at(self, path: Path) -> bool:
        """Tell whether the file there is this package, whole."""
        if not path.is_file() or path.stat().st_size != self.size:
            return False
        return hashlib.new(self.kind, path.read_bytes()).hexdigest() == self.checksum


def parse_depends(text: str) -> dict[str, list[str]]:
    """Read what `apt-cache depends --recurse` prints: each package and the real packages it depends on."""
    graph: dict[str, list[str]] = {}
    needs: list[str] = []
    for line in text.splitlines():
        if not line.startswith(" "):
            needs = graph.setdefault(line.strip(), [])
        elif match := _DEPENDS.match(line):
            needs.append(match[1])
    return graph


def libraries(roots: Iterable[str], graph: Mapping[str, Sequence[str]]) -> set[str]:
    """Follow dependencies through libraries; a program another program wants stays out."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        needs = set(graph.get(waiting.pop(), ()))
        fresh = {name for name in needs if name.startswith(("lib", "zlib"))} - found
        found |= fresh
        waiting += fresh
    return found


def parse_uris(text: str) -> list[Package]:
    """Read what `apt-get download --print-uris` prints."""
    found = [match for line in text.splitlines() if (match := _URI.match(line))]
    return [Package(match["file"], int(match["size"]), match["kind"].lower(), match["sum"]) for match in found]


def resolve() -> tuple[Package, ...]:
    """Ask apt for the packages as of now; needs its lists but no network."""
    try:
        graph = parse_depends(run(["apt-cache", "depends", "--recurse", "--important", KERNEL, *ROOTS]))
        kernel = [name for name in graph.get(KERNEL, ()) if name.startswith("linux-image-")]
        names = sorted({*kernel, *ROOTS, *libraries([root for root in ROOTS if root not in _FILES_ONLY], graph)})
        packages = parse_uris(run(["apt-get", "download", "--print-uris", *names]))
    except HyperSDKError as error:
        raise HyperSDKError(f"the guest's Debian packages cannot be looked up: {error}; {_NO_LISTS}") from error
    missing = set(names) - {package.name for package in packages}
    if missing or not kernel:
        raise HyperSDKError(f"apt offers no {' '.join(sorted(missing)) or KERNEL}; {_NO_LISTS}")
    return tuple(packages)


def fetch(packages: Sequence[Package], into: Path, tell: Callable[[str], None]) -> None:
    """Download what is not in the folder yet; a file is there only when it is whole."""
    into.mkdir(parents=True, exist_ok=True)
    wanted = [package for package in packages if not package.is_at(into / package.file)]
    if not wanted:
        return
    tell(f"download {len(wanted)} packages, {sum(package.size for package in wanted) / 1e6:.0f} MB")
    with tempfile.TemporaryDirectory(dir=into, prefix="partial-") as partial:
        _download(wanted, Path(partial))
        for package in wanted:
            if not package.is_at(Path(partial) / package.file):
                raise HyperSDKError(f"{package.file} did not arrive whole; {_NO_LISTS}, then try again")
            (Path(partial) / package.file).rename(into / package.file)


def unpack(packages: Iterable[Package], source: Path, root: Path) -> None:
    """Lay the packages' files over each other in one folder, as they would be in a Debian root."""
    for package in packages:
        run(["dpkg-deb", "--extract", str(source / package.file), str(root)])


def _download(packages: Iterable[Package], folder: Path) -> None:
    names = [f"{package.name}={package.version}" for package in packages]
    try:
        # As root apt would drop to its own user, who cannot write in our folder.
        run(["apt-get", "download", "--quiet", "-o", "APT::Sandbox::User=root", *names], cwd=folder)
    except HyperSDKError as error:
        raise HyperSDKError(
            f"the guest's Debian packages cannot be downloaded: {error}; see whether their server answers; {_NO_LISTS}"
        ) from error
