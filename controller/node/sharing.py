"""Which files of a VM or a template do others stand on? Those stay where they are until nobody does.

The headers of the disks on this node are the only record of it, as with images: what cannot be counted cannot be
miscounted. A file keeps its name, for a running guest's QEMU and the headers know it by that. That its owner is gone is
written down before anything is removed, so that whoever goes on after a death goes on removing.
"""

import logging
import os
from collections.abc import Collection, Iterable
from pathlib import Path

from controller.node.images.collect import backing_file
from controller.node.places import NodePlaces, files_of, make_folder

log = logging.getLogger(__name__)


def shared(places: NodePlaces, uid: str, besides: Collection[Path] = ()) -> set[str]:
    """The names of its files that others' files stand on, directly or not. Blocks, like all here.

    Others' files in the folders `besides` are not asked.
    """
    mine = {path.name: path for root in (*places.roots(), places.templates) for path in files_of(root, uid)}
    if not mine:
        return set()
    needed: set[str] = set()
    others = (path for path in _disks(places) if path.name not in mine and path.parent not in besides)
    todo = [below for path in others if (below := backing_file(path)) is not None]
    while todo:
        name = todo.pop().name
        if name in mine and name not in needed:
            needed.add(name)
            todo += [below for below in (backing_file(mine[name]),) if below is not None]
    return needed


def stood_on(places: NodePlaces) -> set[str]:
    """The names of all files that some disk stands on."""
    return {below.name for path in _disks(places) if (below := backing_file(path)) is not None}


def remove_unshared(places: NodePlaces, uid: str) -> Collection[str]:
    """Remove everything that carries the uid and that nobody else stands on; the names of what has to stay."""
    stays = shared(places, uid)
    mark = places.released(uid)
    if stays and not mark.exists():
        make_folder(mark.parent)
        mark.touch()
        log.info("uid=%s is gone; for others' disks there stay: %s", uid, ", ".join(sorted(stays)))
    places.remove(uid, stays)
    if not stays:
        mark.unlink(missing_ok=True)
    return stays


def sweep_released(places: NodePlaces) -> None:
    """Remove what is left of those that are gone, where nobody stands on it any more."""
    while removed := [mark.name for mark in sorted(places.released_folder.glob("*")) if _is_swept(places, mark.name)]:
        # What these stood on may go now.
        log.info("nothing is left of %s: nobody stands on their files any more", ", ".join(removed))


def _is_swept(places: NodePlaces, uid: str) -> bool:
    return not remove_unshared(places, uid)


def _disks(places: NodePlaces) -> Iterable[Path]:
    """Every file below the folders of disks, kept ones included; OSError when one cannot be seen."""
    for root in places.roots():
        for folder, _, names in os.walk(root, onerror=_refuse):
            yield from (Path(folder, name) for name in names)


def _refuse(error: OSError) -> None:
    raise error
