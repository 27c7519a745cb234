"""What the controllers of two nodes tell each other of a VM that moves."""

import base64
import binascii
import zlib
from typing import Literal

from controller.node.machine_state import MOST_BYTES
from hypersdk.errors import Terminal
from hypersdk.model.base import Model


class Saying(Model):
    """Who is meant, and what comes with it."""

    operation: str
    console: str = ""
    """The end of the serial console's log, so that whoever looks on finds what was said before; in base64."""
    virtio: str = ""
    """The same of the virtio console."""


class Piece(Model):
    """One file of the VM, on the node that it leaves."""

    path: str
    """What the disk is known by."""
    file: str
    """The file that is written to."""
    dev: str = ""
    device: Literal["disk", "cdrom"] = "disk"
    format: Literal["qcow2", "raw"] = "qcow2"
    size: int = 0
    backing: list[str] = []
    """The files that it stands on."""
    marker: str = ""
    """The name of a file that was just made beside it: who sees that one too shares the storage."""


class Nic(Model):
    """One interface of the running domain."""

    mac: str
    kind: Literal["network", "bridge", "user"]
    source: str = ""


class Luggage(Model):
    """What is to come."""

    operation: str
    source: str
    """The node that it leaves."""
    folder: str
    """Of the sockets; the same path on both nodes."""
    live: bool
    power: str
    """What is wanted of its power, as in the domain's metadata."""
    virt_type: str = ""
    started: str | None = None
    """The definition that the running guest was started with, as JSON."""
    running_hash: str = ""
    pieces: list[Piece] = []
    nics: list[Nic] = []
    nvram: str = ""
    """The firmware's variables of a VM that is off, packed; what runs takes them along by itself."""
    tpm: str = ""
    """The same of what its TPM remembers."""


class Place(Model):
    """Where one piece goes."""

    file: str
    """On the node that it leaves."""
    base: str
    """What the disk is known by there."""
    path: str
    """The file that is written to there."""
    shared: bool = False
    socket: str = ""
    """Where its content is taken, when it is copied as a file."""


class Lodging(Model):
    """The answer of the node that it goes to."""

    places: list[Place] = []
    logs: dict[str, str] = {}
    nics: list[Nic] = []
    running_hash: str = ""


State = Literal["none", "prepared", "arrived", "following", "broken", "runs"]
"""The last three after post-copy: its memory still comes, will never be whole, or has come."""


class Arrival(Model):
    """How much of the VM is there."""

    state: State = "none"


def packed(content: bytes) -> str:
    """A small file as text: firmware variables are empty for the most part."""
    return base64.b64encode(zlib.compress(content)).decode() if content else ""


def unpacked(text: str) -> bytes:
    """The same back; Terminal for what is none."""
    try:
        reader = zlib.decompressobj()
        content = reader.decompress(base64.b64decode(text, validate=True), MOST_BYTES) if text else b""
    except (zlib.error, binascii.Error) as error:
        raise Terminal("StateUnreadable", f"what came of the machine's state cannot be read: {error}") from error
    if text and not reader.eof:
        raise Terminal("StateUnreadable", "what came of the machine's state is not whole, or too much")
    return content
