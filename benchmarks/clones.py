"""From asking for a clone of a VM that is off to one that is whole, beside qemu-img copying the same disk."""

from pathlib import Path

from benchmarks.figures import Figure, median
from benchmarks.node import NAMESPACE, Node, command, image
from benchmarks.running import seconds
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
    ours, peer, linked = [], [], []
    for turn in range(TURNS):
        ours.append(await seconds(_clone(node, f"copy-{turn}", linked=False)))
        await node.delete(f"copy-{turn}")
        peer.append(await seconds(_by_qemu_img(source, node.folder / "peer.qcow2")))
        linked.append(await seconds(_clone(node, f"leaf-{turn}", linked=True)))
        await node.delete(f"leaf-{turn}")
    await node.delete("source")
    return [
        Figure(f"clone: {CONTENT_MIB} MiB whole, until it has succeeded, p50", median(ours), "s"),
        Figure("clone: qemu-img convert of the same disk, synced, p50", median(peer), "s"),
        Figure("clone: ours to qemu-img's, p50", median(ours) / median(peer), "ratio", promise=1.3),
        Figure("clone: linked, until it has succeeded, p50", median(linked), "s"),
    ]


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
        node.client, vm, {"target": target, "linked": linked}, lambda _percent, _words: None
    )
    if not outcome.ok:
        raise SystemExit(f"the clone failed: {outcome.message}")


async def _by_qemu_img(source: Path, target: Path) -> None:
    await command("qemu-img", "convert", "-f", "qcow2", "-O", "qcow2", str(source), str(target))
    await command("sync", str(target))
    await command("rm", str(target))
