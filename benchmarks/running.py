"""From a VM that is created to one that runs: through the API beside `virsh define` and `virsh start` of its domain."""

import asyncio
import time
import uuid
from collections.abc import Awaitable
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.figures import Figure, median, percentile
from benchmarks.node import Node, command, image

TURNS = 20
NAME = "ours"


async def run(node: Node) -> list[Figure]:
    """Seconds each; ours and the peer's turns alternate, so that both see the same machine."""
    await node.create("first")  # brings the image and the network, once
    await node.until_running("first")
    ours, peer = [], []
    for _ in range(TURNS):
        ours.append(await seconds(_create(node)))
        await node.delete(NAME)
        peer.append(await by_virsh(node))
    await node.delete("first")
    ratio = {share: percentile(ours, share) / percentile(peer, share) for share in (50, 95)}
    return [
        Figure("running: create until the API says Running, p50", median(ours), "s"),
        Figure("running: create until the API says Running, p95", percentile(ours, 95), "s"),
        Figure("running: qemu-img create, virsh define, virsh start, p50", median(peer), "s"),
        Figure("running: qemu-img create, virsh define, virsh start, p95", percentile(peer, 95), "s"),
        Figure("running: ours to virsh's, p50", ratio[50], "ratio", promise=1.3),
        Figure("running: ours to virsh's, p95", ratio[95], "ratio", promise=1.3),
    ]


async def _create(node: Node) -> None:
    await node.create(NAME)
    await node.until_running(NAME)


async def by_virsh(node: Node) -> float:
    """Seconds that a person needs for a domain like that of the VM `first`; it is gone afterwards."""
    peer = await Peer.like(node, "first")
    took = await seconds(peer.start(node))
    await peer.remove(node)
    return took


class Peer:
    """A domain of virsh's, the same as a VM's but for name, UUID, MAC and files."""

    def __init__(self, name: str, definition: Path, overlay: Path) -> None:
        self.name = name
        self.definition = definition
        self.overlay = overlay

    @classmethod
    async def like(cls, node: Node, vm: str) -> "Peer":
        """The peer of a VM; nothing is made yet."""
        xml = ElementTree.fromstring(await node.virsh("dumpxml", "--inactive", f"default.{vm}"))
        name = f"peer-{uuid.uuid4().hex[:8]}"
        folder = node.folder / "peers"
        folder.mkdir(exist_ok=True)
        renamed(xml, name, folder)
        definition = folder / f"{name}.xml"
        definition.write_text(ElementTree.tostring(xml, encoding="unicode"))
        return cls(name, definition, folder / f"{name}.qcow2")

    async def start(self, node: Node) -> None:
        """The three commands."""
        backing = ("-F", "raw", "-b", str(image(node.folder)))
        await command("qemu-img", "create", "-q", "-f", "qcow2", *backing, str(self.overlay))
        await node.virsh("define", str(self.definition))
        await node.virsh("start", self.name)

    async def until_said(self, text: bytes) -> None:
        """Return once its serial log has the text."""
        await asyncio.to_thread(_await_text, log_of(self.definition.parent, self.name, "isa-serial"), text)

    async def remove(self, node: Node) -> None:
        """Leave nothing of it."""
        await node.virsh("destroy", self.name)
        await node.virsh("undefine", self.name)
        self.overlay.unlink()


def renamed(xml: ElementTree.Element, name: str, folder: Path) -> None:
    """Make it another domain: its own name, UUID, disk and log, a MAC of libvirt's choice, no mark of ours."""
    for path, text in (("name", name), ("uuid", str(uuid.uuid4()))):
        _found(xml, path).text = text
    _found(xml, "devices/disk/source").attrib["file"] = str(folder / f"{name}.qcow2")
    for kind in ("serial", "console"):
        for port in xml.findall(f"devices/{kind}"):
            _log_to(port, log_of(folder, name, _found(port, "target").get("type", "")))
    for interface in xml.iter("interface"):
        for mac in interface.findall("mac"):
            interface.remove(mac)
    for metadata in xml.findall("metadata"):
        xml.remove(metadata)


def _await_text(file: Path, text: bytes) -> None:
    deadline = time.monotonic() + 60
    while not file.exists() or text not in file.read_bytes():
        if time.monotonic() > deadline:
            raise SystemExit(f"{file} does not get {text!r}")
        time.sleep(0.05)


def log_of(folder: Path, name: str, kind: str) -> Path:
    """The log of one of its ports, `isa-serial` or `virtio`."""
    return folder / f"{name}-{kind}.log"


def _log_to(port: ElementTree.Element, path: Path) -> None:
    for log in port.findall("log"):
        log.attrib["file"] = str(path)


def _found(xml: ElementTree.Element, path: str) -> ElementTree.Element:
    found = xml.find(path)
    assert found is not None, f"the domain has no {path}"
    return found


async def seconds(work: Awaitable[None]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    await work
    return time.perf_counter() - start
