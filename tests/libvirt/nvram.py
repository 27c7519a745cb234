"""A variable of ours among the firmware's, as OVMF lays them out (edk2: VariableFormat.h, PiFirmwareVolume.h)."""

import struct
import uuid
from pathlib import Path

_STORE_HEADER = 28
_FIRST_WORD = 0x55AA
_ADDED, _ALL_ACCESS = 0x3F, 0x07
_HEADER = struct.Struct("<HBBIQ16sIII16s")
"""StartId, State, Reserved, Attributes, MonotonicCount, TimeStamp, PubKeyIndex, NameSize, DataSize, VendorGuid."""


def add_variable(path: Path, name: str, content: bytes) -> None:
    """Write it behind the last one, into the file of a firmware that does not run."""
    wide, vendor = f"{name}\0".encode("utf-16-le"), uuid.uuid5(uuid.NAMESPACE_DNS, "hypersdk.io").bytes_le
    header = _HEADER.pack(_FIRST_WORD, _ADDED, 0, _ALL_ACCESS, 0, b"", 0, len(wide), len(content), vendor)
    with path.open("r+b") as file:
        file.seek(_end(path.read_bytes()))
        file.write(header + wide + content)


def _end(store: bytes) -> int:
    assert store[40:44] == b"_FVH"
    at = _aligned(struct.unpack_from("<H", store, 48)[0] + _STORE_HEADER)
    while struct.unpack_from("<H", store, at)[0] == _FIRST_WORD:
        *_, name_bytes, data_bytes, _vendor = _HEADER.unpack_from(store, at)
        at = _aligned(at + _HEADER.size + name_bytes + data_bytes)
    return at


def _aligned(at: int) -> int:
    return -(-at // 4) * 4
