"""From a disk in a running VM's spec until its QEMU has it, beside `qemu-img create` and `virsh attach-disk`."""

from benchmarks.figures import Figure, median
from benchmarks.node import NAMESPACE, Node, command, image
from benchmarks.running import Peer, seconds
from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import VIRTUAL_MACHINES

NAME = "plugged"
TURNS = 5
ROOT: JsonObject = {"name": "root", "size": "16Mi"}
SIZE_MIB = 64


async def run(node: Node) -> list[Figure]:
    """Seconds each; ours and the peer's turns alternate, so that both see the same machine."""
    spec: JsonObject = {
        "cpus": 1,
        "memory": "32Mi",
        "image": {"source": f"file://{image(node.folder)}"},
        "disks": [ROOT],
    }
    await node.client.create(VIRTUAL_MACHINES, NAMESPACE, {"metadata": {"name": NAME}, "spec": spec})
    await node.until_running(NAME)
    peer = await Peer.like(node, NAME)
    await peer.start(node)
    ours, theirs = [], []
    for turn in range(1, TURNS + 1):
        ours.append(await seconds(_by_spec(node, turn)))
        theirs.append(await seconds(_by_hand(node, peer.name, turn)))
    await peer.remove(node)
    await node.delete(NAME)
    return [
        Figure("hot-plug: a disk, until QEMU has it, p50", median(ours), "s"),
        Figure("hot-plug: a disk by qemu-img create and virsh attach-disk, p50", median(theirs), "s"),
        Figure("hot-plug: ours to theirs, p50", median(ours) / median(theirs), "ratio", promise=1.3),
    ]


async def _by_spec(node: Node, turn: int) -> None:
    more: list[JsonObject] = [{"name": f"extra-{number}", "size": f"{SIZE_MIB}Mi"} for number in range(turn)]
    await node.client.patch(VIRTUAL_MACHINES, NAMESPACE, NAME, {"spec": {"disks": [ROOT, *more]}})
    while f"extra-{turn - 1}" not in await node.virsh("domblklist", f"{NAMESPACE}.{NAME}"):
        pass  # each look takes a virsh


async def _by_hand(node: Node, name: str, turn: int) -> None:
    disk = node.folder / "images" / f"by-hand-{turn}.qcow2"
    await command("qemu-img", "create", "-q", "-f", "qcow2", str(disk), f"{SIZE_MIB}M")
    device = f"vd{'abcdefgh'[turn]}"
    manner = ("--driver", "qemu", "--subdriver", "qcow2", "--targetbus", "virtio", "--live", "--config")
    await node.virsh("attach-disk", name, str(disk), device, *manner)
