"""Can the kernel read our initramfs: is the archive what a reader of the format expects?"""

import stat
from itertools import takewhile

from hyperctl.guest import cpio

ENTRIES = [
    cpio.folder("etc"),
    cpio.folder("tmp", mode=0o1777),
    cpio.file("etc/odd", b"12345", mode=0o755),
    cpio.file("empty", b""),
    cpio.link("bin", "usr/bin"),
    cpio.character_device("dev/console", 5, 1),
]


def _read(data: bytes) -> list[cpio.Entry]:
    """A second reading of the format, which shares nothing with the writer."""
    found = []
    position = 0
    while position < len(data):
        fields = [int(data[start : start + 8], 16) for start in range(position + 6, position + 110, 8)]
        mode, size, device, name_size = fields[1], fields[6], (fields[9], fields[10]), fields[11]
        assert data[position : position + 6] == b"070701"
        name = data[position + 110 : position + 110 + name_size]
        assert name.endswith(b"\0")
        content = (position + 110 + name_size + 3) // 4 * 4
        found.append(cpio.Entry(name[:-1].decode(), mode, data[content : content + size], device))
        position = (content + size + 3) // 4 * 4
    return found


def test_archive_reads_back_as_it_was_given_and_ends_with_the_trailer() -> None:
    read = _read(cpio.archive(ENTRIES))
    assert list(takewhile(lambda entry: entry.path != "TRAILER!!!", read)) == ENTRIES
    assert read[-1].path == "TRAILER!!!"
    assert len(read) == len(ENTRIES) + 1


def test_kinds_of_entries_carry_the_mode_bits_of_their_kind() -> None:
    kinds = [stat.S_IFMT(entry.mode) for entry in ENTRIES]
    assert kinds == [stat.S_IFDIR, stat.S_IFDIR, stat.S_IFREG, stat.S_IFREG, stat.S_IFLNK, stat.S_IFCHR]


def test_every_entry_has_an_inode_of_its_own() -> None:
    data = cpio.archive(ENTRIES)
    inodes = [data[index + 6 : index + 14] for index in range(len(data)) if data.startswith(b"070701", index)]
    assert len(set(inodes)) == len(ENTRIES) + 1
