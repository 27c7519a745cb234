"""Is what apt prints understood, and is a damaged download noticed?"""

import hashlib
from pathlib import Path

from hyperctl.guest.packages import Package, libraries, parse_depends, parse_uris

DEPENDS = """linux-image-cloud-amd64
  Depends: linux-image-6.1.0-56-cloud-amd64
qemu-guest-agent
  PreDepends: init-system-helpers
 |Depends: libc6
  Depends: libglib2.0-0
  Depends: <debconf-2.0>
    cdebconf
libc6
  Depends: libgcc-s1
  Depends: libc6:i386
libgcc-s1
  Depends: gcc-12-base
libglib2.0-0
  Depends: libc6
  Depends: zlib1g
init-system-helpers
  Depends: perl-base
zlib1g
"""

URIS = """'http://deb.example/pool/b/busybox-static_1.35.0-4+b1_amd64.deb' busybox-static_1%3a1.35.0-4+b1_amd64.deb 928188 SHA256:00ff
Reading package lists...
'http://deb.example/pool/l/libc6_2.36-9_amd64.deb' libc6_2.36-9_amd64.deb 2700000 SHA512:aa11
"""  # noqa: E501


def _package(content: bytes) -> Package:
    return Package("a_1%3a2_amd64.deb", len(content), "sha256", hashlib.sha256(content).hexdigest())


def test_dependencies_are_read_per_package_without_virtual_and_foreign_ones() -> None:
    graph = parse_depends(DEPENDS)
    assert graph["linux-image-cloud-amd64"] == ["linux-image-6.1.0-56-cloud-amd64"]
    assert graph["qemu-guest-agent"] == ["init-system-helpers", "libc6", "libglib2.0-0"]
    assert graph["libc6"] == ["libgcc-s1"]


def test_libraries_are_followed_and_programs_are_not() -> None:
    found = libraries(["qemu-guest-agent"], parse_depends(DEPENDS))
    assert found == {"libc6", "libglib2.0-0", "libgcc-s1", "zlib1g"}


def test_files_are_read_with_size_and_checksum() -> None:
    assert parse_uris(URIS) == [
        Package("busybox-static_1%3a1.35.0-4+b1_amd64.deb", 928188, "sha256", "00ff"),
        Package("libc6_2.36-9_amd64.deb", 2700000, "sha512", "aa11"),
    ]


def test_name_and_version_come_from_the_file_name() -> None:
    package = _package(b"")
    assert (package.name, package.version) == ("a", "1:2")


def test_only_the_whole_file_counts_as_there(tmp_path: Path) -> None:
    package, path = _package(b"content"), tmp_path / "a.deb"
    assert not package.is_at(path)
    path.write_bytes(b"conte")
    assert not package.is_at(path)
    path.write_bytes(b"c0ntent")
    assert not package.is_at(path)
    path.write_bytes(b"content")
    assert package.is_at(path)
