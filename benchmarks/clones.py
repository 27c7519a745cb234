"""From asking for a clone that is started to one that runs, beside qemu-img, `virsh define` and `virsh start`.

Both sides have the copy synced to the disk before they define anything: ours by fsync of the file and of its folder,
the peer by sync of the file. Layers neither side syncs. A linked clone takes two of them: the source goes on in one.
All files lie in one folder, for on some disks a first write to a region takes much longer than a later one.
"""

import asyncio
import os
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.figures import Figure, median
from benchmarks.node import NAMESPACE, Node, command, image
from benchmarks.running import renamed, seconds
from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import VIRTUAL_MACHINES
from hypersdk.model.virtualmachine import Phase
from hypersdk.verbs.table import verb

TURNS = 5
CONTENT_MIB = 1024
"""On the source's disk: so much that a second of our own does not hide behind it."""


async def run(node: Node) -> list[Figure]:
    """Seconds each; ours and the peer's turns alternate, so that both see the same machine."""
    source = await _source(node)
    figures = []
    for what, linked, make in (
        (f"{CONTENT_MIB} MiB whole", False, _by_convert),
        ("linked", True, _by_layer),
    ):
        ours, peer = [], []
        for turn in range(TURNS):
            await _settled()
            ours.append(await seconds(_clone(node, f"copy-{turn}", linked=linked)))
            await node.delete(f"copy-{turn}")
            await _settled()
            peer.append(await _by_hand(node, source, make))
        figures += [
            Figure(f"clone: {what}, until it runs, p50", median(ours), "s"),
            Figure(f"clone: {what}, by qemu-img, virsh define, virsh start, p50", median(peer), "s"),
            Figure(f"clone: {what}, ours to theirs, p50", median(ours) / median(peer), "ratio", promise=1.3),
        ]
    await node.delete("source")
    return figures


async def _settled() -> None:
    """Nobody pays for what was written before."""
    await asyncio.to_thread(os.sync)


async def _source(node: Node) -> Path:
    spec: JsonObject = {
        "cpus": 1,
        "memory": "32Mi",
        "running": False,
        "image": {"source": f"file://{image(node.folder)}"},
        "disks": [{"name": "root", "size": f"{2 * CONTENT_MIB}Mi"}],
    }
    await node.client.create(VIRTUAL_MACHINES, NAMESPACE, {"metadata": {"name": "source"}, "spec": spec})

    def is_off() -> bool:
        vm = node.vms.get(NAMESPACE, "source")
        return vm is not None and vm.phase is Phase.STOPPED

    await node.until(is_off, 60)
    vm = node.vms.get(NAMESPACE, "source")
    assert vm is not None
    disk = node.folder / "node" / "disks" / f"{vm.metadata.uid}-root.qcow2"
    writes = [word for at in range(0, CONTENT_MIB, 256) for word in ("-c", f"write -P {1 + at % 250} {1 + at}M 256M")]
    await command("qemu-io", "-f", "qcow2", *writes, str(disk))
    return disk


async def _clone(node: Node, target: str, *, linked: bool) -> None:
    vm = node.vms.get(NAMESPACE, "source")
    assert vm is not None
    outcome = await verb("clone").run(
        node.client, vm, {"target": target, "linked": linked, "start": True}, lambda _percent, _words: None
    )
    if not outcome.ok:
        raise SystemExit(f"the clone failed: {outcome.message}")


async def _by_hand(node: Node, source: Path, make: Callable[[Path, Path], Awaitable[None]]) -> float:
    """Seconds that a person needs for it; it is gone afterwards."""
    peer = await Peer.of(node, source)
    took = await seconds(peer.start(node, make))
    await peer.remove(node)
    return took


@dataclass(frozen=True)
class Peer:
    """A domain of virsh's with a disk that came of the source's."""

    name: str
    definition: Path
    source: Path

    @classmethod
    async def of(cls, node: Node, source: Path) -> "Peer":
        """Nothing is made yet."""
        xml = ElementTree.fromstring(await node.virsh("dumpxml", "--inactive", f"{NAMESPACE}.source"))
        name, folder = f"peer-{uuid.uuid4().hex[:8]}", node.folder / "node" / "disks"
        renamed(xml, name, folder)
        definition = folder / f"{name}.xml"
        definition.write_text(ElementTree.tostring(xml, encoding="unicode"))
        return cls(name, definition, source)

    async def start(self, node: Node, make: Callable[[Path, Path], Awaitable[None]]) -> None:
        """Make the disk, define the domain, start it."""
        await make(self.source, self.disk)
        await node.virsh("define", str(self.definition))
        await node.virsh("start", self.name)

    async def remove(self, node: Node) -> None:
        """Leave nothing of it."""
        await node.virsh("destroy", self.name)
        await node.virsh("undefine", self.name)
        self.disk.unlink()

    @property
    def disk(self) -> Path:
        """Its only disk."""
        return self.definition.with_suffix(".qcow2")


async def _by_convert(source: Path, target: Path) -> None:
    await command("qemu-img", "convert", "-f", "qcow2", "-O", "qcow2", str(source), str(target))
    await command("sync", str(target))


async def _by_layer(source: Path, target: Path) -> None:
    for layer in (target.with_suffix(".source.qcow2"), target):
        await command("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(source), str(layer))
