"""From asking for a snapshot with memory to one that is Ready, beside libvirt's own call on the same guest."""

import asyncio
import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import Figure, median
from benchmarks.node import NAMESPACE, Node
from benchmarks.running import seconds
from hyperctl.guest.image import build
from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import VIRTUAL_MACHINES, VM_SNAPSHOTS
from hypersdk.settings import places
from hypersdk.verbs.operation import until
from hypersdk.verbs.table import verb
from hypersdk.verbs.verb import Outcome

TURNS = 7
PAUSE_S = 0.5
MEMORY_MIB = 2048
FILLED_MIB = 900
"""In the guest's memory, for what is empty is not saved: so much that a second of our own does not hide behind it."""
NAME = "snapped"
_FILL = (
    "mkdir -p /run/big && mount -t tmpfs -o size=95% t /run/big && "
    f"dd if=/dev/zero bs=1M count={FILLED_MIB} | tr '\\0' x > /run/big/filled"
)


@dataclass(frozen=True)
class Times:
    """Seconds of every turn."""

    memory: list[float] = field(default_factory=list)
    disks: list[float] = field(default_factory=list)
    merged: list[float] = field(default_factory=list)
    frozen: list[float] = field(default_factory=list)


async def run(node: Node) -> list[Figure]:
    """Ours and libvirt's turns alternate, and so does who comes first: both see the same machine."""
    uid = await _guest(node)
    ours, theirs = Times(), Times()
    for turn in range(TURNS):
        turns = [_our_turn(node, turn, ours), _their_turn(node, uid, theirs)]
        for one in turns if turn % 2 else reversed(turns):
            await one
    await node.delete(NAME)
    return [
        Figure(f"snapshot: with {FILLED_MIB} MiB of memory, until Ready, p50", median(ours.memory), "s"),
        Figure("snapshot: libvirt's own call on the same guest, p50", median(theirs.memory), "s"),
        Figure("snapshot: ours to libvirt's, p50", median(ours.memory) / median(theirs.memory), "ratio", promise=1.3),
        Figure("snapshot: of the disks, held by the agent, p50", median(ours.disks), "s"),
        Figure("snapshot: libvirt's own call for that, p50", median(theirs.disks), "s"),
        Figure(
            "snapshot: of the disks, to libvirt's, p50", median(ours.disks) / median(theirs.disks), "ratio", promise=1.3
        ),
        Figure("snapshot: deleted, until it is merged and gone, p50", median(ours.merged), "s"),
        Figure("snapshot: virsh blockcommit for that, p50", median(theirs.merged), "s"),
        Figure("snapshot: the guest's file systems were held, at most", max(ours.frozen), "s", promise=0.5),
    ]


async def _our_turn(node: Node, turn: int, times: Times) -> None:
    await _settled()
    times.memory.append(await seconds(_take(node, f"memory-{turn}", memory=True)))
    await _drop(node, f"memory-{turn}")
    await _settled()
    times.disks.append(await seconds(_take(node, f"disks-{turn}", memory=False)))
    found = await node.client.get(VM_SNAPSHOTS, NAMESPACE, f"disks-{turn}")
    times.frozen.append(found.status.frozen_seconds or 0.0)
    times.merged.append(await seconds(_drop(node, f"disks-{turn}")))


async def _their_turn(node: Node, uid: str, times: Times) -> None:
    await _settled()
    memory = ["--live", "--memspec", f"snapshot=external,file={node.folder / 'peer.save'}"]
    times.memory.append(await seconds(_by_libvirt(node, uid, *memory)))
    await _merge_by_libvirt(node, uid)
    await _settled()
    times.disks.append(await seconds(_by_libvirt(node, uid, "--disk-only", "--quiesce", "--atomic")))
    times.merged.append(await seconds(_merge_by_libvirt(node, uid)))


async def _settled() -> None:
    """Nobody pays for what was done before, or for the controller's look at what virsh did.

    For what they write both do, as libvirt's call ends with it on disk.
    """
    await asyncio.to_thread(os.sync)
    await asyncio.sleep(PAUSE_S)


async def _guest(node: Node) -> str:
    image = node.folder / "images" / "demo.qcow2"
    await asyncio.to_thread(shutil.copyfile, await asyncio.to_thread(build, places(os.environ).cache, print), image)
    spec: JsonObject = {"cpus": 1, "memory": f"{MEMORY_MIB}Mi", "image": {"source": f"file://{image}"}}
    await node.client.create(VIRTUAL_MACHINES, NAMESPACE, {"metadata": {"name": NAME}, "spec": spec})

    def answers() -> bool:
        vm = node.vms.get(NAMESPACE, NAME)
        agent = vm.status.guest_agent if vm is not None else None
        return agent is not None and bool(agent.connected)

    await node.until(answers, 180)
    vm = node.vms.get(NAMESPACE, NAME)
    assert vm is not None
    uid = vm.metadata.uid
    pid = (await _agent(node, uid, "guest-exec", {"path": "/bin/sh", "arg": ["-c", _FILL]}))["pid"]
    while not (status := await _agent(node, uid, "guest-exec-status", {"pid": pid}))["exited"]:
        pass  # each look takes a virsh
    if status["exitcode"]:
        raise SystemExit(f"the guest's memory was not filled: {status}")
    return uid


async def _agent(node: Node, uid: str, command: str, arguments: JsonObject) -> JsonObject:
    asked = json.dumps({"execute": command, "arguments": arguments})
    found: JsonObject = json.loads(await node.virsh("qemu-agent-command", uid, asked))["return"]
    return found


async def _take(node: Node, name: str, *, memory: bool) -> None:
    vm = node.vms.get(NAMESPACE, NAME)
    assert vm is not None
    outcome = await verb("snapshot").run(
        node.client, vm, {"name": name, "memory": memory}, lambda _percent, _words: None
    )
    if not outcome.ok:
        raise SystemExit(f"the snapshot failed: {outcome.message}")


async def _drop(node: Node, name: str) -> None:
    await node.client.delete(VM_SNAPSHOTS, NAMESPACE, name)
    await until(node.client, VM_SNAPSHOTS, (NAMESPACE, name), lambda now: Outcome(True, "") if now is None else None)


async def _by_libvirt(node: Node, uid: str, *manner: str) -> None:
    disks = ["--diskspec", f"vda,snapshot=external,file={_layer(node, uid)}", "--diskspec", "sda,snapshot=no"]
    await node.virsh("snapshot-create-as", uid, "--no-metadata", *manner, *disks)


async def _merge_by_libvirt(node: Node, uid: str) -> None:
    await node.virsh("blockcommit", uid, "vda", "--shallow", "--active", "--pivot", "--wait")
    _layer(node, uid).unlink()
    (node.folder / "peer.save").unlink(missing_ok=True)


def _layer(node: Node, uid: str) -> Path:
    return node.folder / "node" / "disks" / f"{uid}-root@peer.qcow2"
