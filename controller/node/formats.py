"""What is a file that is no qcow2 image? By its first bytes, asking no tool: raw disks have no mark of their own."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """A format that is known and not taken."""

    name: str
    is_packed: bool = False


_MARKS: tuple[tuple[int, bytes, Format], ...] = (
    (0, b"\x1f\x8b", Format("packed by gzip", True)),
    (0, b"\xfd7zXZ\0", Format("packed by xz", True)),
    (0, b"\x28\xb5\x2f\xfd", Format("packed by zstd", True)),
    (0, b"BZh", Format("packed by bzip2", True)),
    (0, b"PK\x03\x04", Format("a zip archive", True)),
    (0, b"7z\xbc\xaf\x27\x1c", Format("a 7z archive", True)),
    (257, b"ustar", Format("a tar archive (an OVA is one)", True)),
    (0, b"KDMV", Format("a VMDK image")),
    (0, b"COWD", Format("a VMDK image")),
    (0, b"# Disk DescriptorFile", Format("a VMDK image")),
    (0, b"vhdxfile", Format("a VHDX image")),
    (0, b"conectix", Format("a VHD image")),
    (64, b"\x7f\x10\xda\xbe", Format("a VDI image")),
    (0, b"QED\0", Format("a QED image")),
    (0, b"WithoutFreeSpace", Format("a Parallels image")),
    (0, b"WithouFreSpacExt", Format("a Parallels image")),
    (0, b"LUKS\xba\xbe", Format("encrypted by LUKS")),
)


def other_format(head: bytes) -> Format | None:
    """Which format the first kilobyte tells of; None for what may be a raw disk."""
    return next((kind for at, mark, kind in _MARKS if head[at : at + len(mark)] == mark), None)


def is_text(head: bytes) -> bool:
    """A page of an error message rather than a disk; a disk's first sector has zeros or machine code."""
    start = head[:512]
    return bool(start) and all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in start)
