"""Does the first sector say what firmware, kernel and the guest's own growing read from it?"""

import struct

import pytest

from hyperctl.guest.partition import (
    CODE_LIMIT,
    EFI_SYSTEM,
    LINUX,
    SECTOR,
    TABLE_OFFSET,
    Partition,
    master_boot_record,
)

BOOT = Partition(start=2048, sectors=81920, kind=EFI_SYSTEM, is_active=True)
DATA = Partition(start=BOOT.end, sectors=131072, kind=LINUX)


def test_record_is_one_sector_with_code_signature_and_end_mark() -> None:
    record = master_boot_record(b"\xfa" * CODE_LIMIT, [BOOT, DATA], signature=0x12345678)
    assert len(record) == SECTOR
    assert record[:CODE_LIMIT] == b"\xfa" * CODE_LIMIT
    assert struct.unpack_from("<I", record, 440) == (0x12345678,)
    assert record[510:] == b"\x55\xaa"


def test_entries_give_state_kind_and_place() -> None:
    record = master_boot_record(b"", [BOOT, DATA], signature=1)
    entries = [struct.unpack_from("<B3xB3xII", record, TABLE_OFFSET + 16 * number) for number in range(4)]
    assert entries == [(0x80, EFI_SYSTEM, 2048, 81920), (0, LINUX, 83968, 131072), (0, 0, 0, 0), (0, 0, 0, 0)]


@pytest.mark.parametrize(
    ("code", "partitions"),
    [pytest.param(b"x" * 441, [BOOT], id="code over the signature"), pytest.param(b"", [DATA] * 5, id="five")],
)
def test_what_does_not_fit_is_refused(code: bytes, partitions: list[Partition]) -> None:
    with pytest.raises(ValueError, match=r"fit|four"):
        master_boot_record(code, partitions, signature=1)
