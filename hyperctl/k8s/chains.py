"""`vm disk chain NAME`: every file that a VM's disks are made of."""

import argparse
import json
import sys
from pathlib import PurePath

from hyperctl.exits import Exit
from hyperctl.k8s.session import Session
from hypersdk.kube.streams import disk_chains
from hypersdk.model.diskchain import DiskChain, DiskLayer
from hypersdk.model.quantity import human_bytes
from hypersdk.plaintext import plain


async def answer(session: Session, arguments: argparse.Namespace) -> int:
    """Draw them, the uppermost first; a chain that is not whole is an error."""
    found = await disk_chains(session.client, session.namespace, arguments.vm)
    if arguments.output == "json":
        sys.stdout.write(json.dumps(found.wire(), indent=2) + "\n")
    else:
        for disk in found.disks:
            sys.stdout.write(drawing(disk))
    if found.problem:
        print(f"hyperctl: {arguments.vm} is not started over these files: {plain(found.problem)}", file=sys.stderr)
        return Exit.FAILED
    return Exit.OK


def drawing(disk: DiskChain) -> str:
    """One disk as text: depth, size, file, and what is to be known of it."""
    folder = next((str(PurePath(one.file).parent) for one in disk.layers if one.depth), "")
    lines = [plain(f"{disk.name} {f'({disk.device}) ' if disk.device else ''}in {folder or 'no folder'}")]
    for layer in reversed(disk.layers):
        where = PurePath(layer.file)
        name = where.name if str(where.parent) == folder else layer.file
        size = human_bytes(layer.size_bytes) if layer.size_bytes else ""
        lines.append(plain(f"  {layer.depth:>2}  {size:>8}  {name}  {'; '.join(_words(layer, disk))}".rstrip()))
    return "\n".join(lines) + "\n"


def _words(layer: DiskLayer, disk: DiskChain) -> list[str]:
    below = [one.file for one in disk.layers if one.depth == layer.depth - 1]
    words = ["the VM writes to it"] if layer.written else []
    words += [f"snapshot {name}" for name in layer.snapshots]
    if len(below) > 1 and layer.stands_on:
        words.append(f"on {PurePath(layer.stands_on).name}")
    words += [f"{one.process} ({one.pid}) has it open to {one.mode}" for one in layer.opened_by]
    return [*words, *([layer.problem] if layer.problem else [])]
