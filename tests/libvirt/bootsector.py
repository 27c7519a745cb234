"""The smallest guest there is: a boot sector that greets on the first serial port and then echoes what it gets.

It boots in well under a second where a Linux guest takes several, its first byte is known, and it halts its CPU while
nobody types. After a bell (Ctrl-G) it writes `BURST` bytes as fast as the port takes them.
"""

from pathlib import Path

GREETING = b"boot sector here\r\n"
BELL = b"\x07"
BURST = 65_537
"""Printable characters and one line feed at the end."""
_TEXT_AT = 0x6B
_CODE = bytes.fromhex(
    "31c0 8ed8 fa"  # ds = 0, no interrupts yet
    "c70630002e7c a33200"  # IRQ 4 goes to `received` below, at 7c2e
    "b0ef e621"  # every other interrupt is masked
    "baf903 b001 ee b2fc b00b ee"  # the port interrupts when a byte has come
    "be6b7c ac 08c0 7405 e83300 ebf6"  # print the text up to its zero byte
    "fb f4 ebfc"  # halt until there is an interrupt, for ever
    "bafd03 ec a801 7420 b2f8 ec"  # received: read a byte, if there is one
    "3c07 7405 e81b00 ebec"  # print it, and look for the next one, unless it is a bell
    "31c9 88c8 243f 0420 e80e00 e2f5"  # the burst: 65,536 characters from blank to underscore
    "b00a e80700 ebd8"  # and a line feed
    "b020 e620 cf"  # the interrupt is served
    "88c4 bafd03 ec a820 74fb b2f8 88e0 ee c3"  # print: wait for the transmitter, send
)


def write_echo_disk(path: Path) -> Path:
    """A raw disk of 1 MiB that boots the sector."""
    assert len(_CODE) == _TEXT_AT
    sector = (_CODE + GREETING + b"\0").ljust(510, b"\0") + b"\x55\xaa"
    path.write_bytes(sector.ljust(1 << 20, b"\0"))
    return path
