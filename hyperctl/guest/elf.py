"""What does a compiled file say about itself: its sections, and the libraries it needs?"""

import struct

_NEEDED = 1


def sections(data: bytes) -> dict[str, bytes]:
    """Return the named sections of a 64-bit little-endian ELF file; empty for any other file."""
    if data[:6] != b"\x7fELF\x02\x01":
        return {}
    (table,) = struct.unpack_from("<Q", data, 0x28)
    entry_size, count, names_index = struct.unpack_from("<HHH", data, 0x3A)
    # Of each header: offset of the name, type, offset and size of the content.
    headers = [struct.unpack_from("<IIQQQQ", data, table + entry_size * index) for index in range(count)]
    names = data[headers[names_index][4] :]
    return {_string(names, head[0]): data[head[4] : head[4] + head[5]] for head in headers if head[1] != 0}


def needed(data: bytes) -> list[str]:
    """Return the libraries that the dynamic linker must find, and the linker itself by its path."""
    found = sections(data)
    strings = found.get(".dynstr", b"")
    names = [
        _string(strings, value)
        for tag, value in struct.iter_unpack("<QQ", found.get(".dynamic", b""))
        if tag == _NEEDED
    ]
    interpreter = found.get(".interp", b"").rstrip(b"\0").decode()
    return [*names, interpreter] if interpreter else names


def module_facts(data: bytes) -> dict[str, list[str]]:
    """Return what `modinfo` would print of a kernel module, values in their order."""
    facts: dict[str, list[str]] = {}
    for line in sections(data).get(".modinfo", b"").split(b"\0"):
        key, equals, value = line.decode(errors="replace").partition("=")
        if equals:
            facts.setdefault(key, []).append(value)
    return facts


def _string(table: bytes, start: int) -> str:
    return table[start : table.index(b"\0", start)].decode()
