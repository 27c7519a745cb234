"""Builds the smallest ELF files whose sections say what a test needs."""

import struct


def elf(**content: bytes) -> bytes:
    """Return a 64-bit file with these sections; two underscores stand for the leading dot."""
    names = [name.replace("__", ".") for name in content]
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in [*names, ".shstrtab"])
    parts = [*content.values(), strings]
    starts = [64 + sum(map(len, parts[:index])) for index in range(len(parts))]
    headers = [struct.pack("<IIQQQQIIQQ", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)]
    for name, start, part in zip([*names, ".shstrtab"], starts, parts, strict=True):
        at = strings.index(b"\0" + name.encode() + b"\0") + 1
        headers.append(struct.pack("<IIQQQQIIQQ", at, 1, 0, 0, start, len(part), 0, 0, 1, 0))
    table = starts[-1] + len(strings)
    identity = b"\x7fELF\x02\x01\x01" + bytes(9)
    head = struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 0, table, 0, 64, 0, 0, 64, len(headers), len(headers) - 1)
    return identity + head + b"".join(parts) + b"".join(headers)


def kernel_module(*facts: str) -> bytes:
    """Return a module that says these facts of itself, as `key=value`."""
    return elf(__modinfo=b"".join(fact.encode() + b"\0" for fact in facts))


def program(interpreter: str, *libraries: str) -> bytes:
    """Return a dynamically linked program."""
    strings = b"\0" + b"".join(library.encode() + b"\0" for library in libraries)
    tags = b"".join(struct.pack("<QQ", 1, strings.index(b"\0" + library.encode() + b"\0") + 1) for library in libraries)
    return elf(__interp=interpreter.encode() + b"\0", __dynstr=strings, __dynamic=tags + bytes(16))
