"""What stands on what among the files of disks, and what may be merged or removed? Pure, from the files' headers.

A snapshot's files are those that were written to when it was taken; since then they are frozen, and a layer stands on
each. Going back to it puts another layer there. So the files of a disk are a tree with the base as its root; the
domain writes to one leaf.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from controller.domain.layers import base_of
from controller.node.snapshots.names import is_ours


@dataclass(frozen=True)
class LayerFile:
    """One qcow2 file."""

    path: str
    backing: str = ""
    """What it stands on, by its header; empty when it stands alone."""
    allocated_bytes: int = 0


Tree = Mapping[str, LayerFile]
"""Every qcow2 file of the node's disk folders by its path."""
Points = Mapping[str, frozenset[str]]
"""The files of each snapshot by its name."""


@dataclass(frozen=True)
class Merge:
    """Merge a layer into the frozen file below it, which nothing else needs."""

    top: str
    into: str
    kids: tuple[str, ...]
    """What stands on the layer at the beginning."""


@dataclass(frozen=True)
class Held:
    """It cannot go as long as that is so."""

    words: str


def chain(tree: Tree, tip: str) -> Iterator[str]:
    """The file and all that it stands on, downwards, as far as they are disks' files."""
    seen: set[str] = set()
    while tip in tree and tip not in seen:
        seen.add(tip)
        yield tip
        tip = tree[tip].backing


def children(tree: Tree, path: str) -> tuple[str, ...]:
    """What stands on the file."""
    return tuple(sorted(one.path for one in tree.values() if one.backing == path))


def needed(tree: Tree, tips: Iterable[str]) -> set[str]:
    """All that any of them stands on, themselves included."""
    return {path for tip in tips for path in chain(tree, tip)}


def unneeded(tree: Tree, uid: str, written: Iterable[str], points: Points) -> list[str]:
    """The VM's layers that neither the VM, nor a snapshot of it, nor another VM's disk stands on."""
    others = (path for path in tree if not is_of(path, uid) or (path != base_of(path) and not is_ours(path)))
    kept = needed(tree, [*written, *(path for files in points.values() for path in files), *others])
    return sorted(path for path in tree if is_of(path, uid) and is_ours(path) and path not in kept)


def verdict(frozen: str, tree: Tree, uid: str, written: Iterable[str], others: Points) -> Merge | Held | None:
    """What becomes of a frozen file when its snapshot goes; None when there is nothing to be done to it."""
    kids = children(tree, frozen)
    if frozen in set(written) or frozen not in tree or not kids or any(frozen in files for files in others.values()):
        return None
    names = {path: who for who, files in others.items() for path in files}
    if len(kids) > 1:
        words = " and ".join(_who(kid, uid, written, tree, names) for kid in kids)
        return Held(f"{Path(frozen).name} is stood on by {words}: it can be merged when only one of them is left")
    (top,) = kids
    grandkids = children(tree, top)
    if strange := [path for path in (top, *grandkids) if not is_of(path, uid)]:
        return Held(f"{', '.join(Path(path).name for path in strange)} of another VM stands on {Path(frozen).name}")
    if not is_ours(top):
        return Held(f"{Path(top).name}, which is no snapshot's layer, stands on {Path(frozen).name}")
    return Merge(top, frozen, grandkids)


def parents(points: Points, tree: Tree) -> dict[str, str]:
    """The snapshot that each one was taken on top of; empty for one that was taken of the base."""
    found: dict[str, str] = {}
    for name, files in points.items():
        first = min((path for path in files if path in tree), default="")
        below = list(chain(tree, first))[1:]
        owner = {path: who for who, theirs in points.items() if who != name for path in theirs}
        found[name] = next((owner[path] for path in below if path in owner), "")
    return found


def ancestors(name: str, parent: Mapping[str, str]) -> list[str]:
    """The oldest first, the snapshot itself last."""
    found = [name]
    while (up := parent.get(found[-1], "")) and up not in found:
        found.append(up)
    return found[::-1]


def is_of(path: str, uid: str) -> bool:
    """Whether it is a file of that VM."""
    return Path(path).name.startswith(f"{uid}-")


def _who(path: str, uid: str, written: Iterable[str], tree: Tree, names: Mapping[str, str]) -> str:
    if not is_of(path, uid):
        return f"{Path(path).name} of another VM"
    if any(path in chain(tree, tip) for tip in written):
        return "the VM as it is"
    above = [path, *children(tree, path)]
    owner = next((names[one] for one in above if one in names), "")
    return f"snapshot {owner}" if owner else Path(path).name
