"""Where do the disks lie that outlive their VM? Beside the others, below `kept`, in a folder with the VM's name.

Of a disk with snapshots' layers the file that the VM wrote to gets the disk's name; what it stands on stays where it
is for as long as that lies there, for the header says so.
"""

import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from controller.domain.layers import base_of
from controller.node.places import NodePlaces, files_of, make_folder
from controller.node.sharing import stood_on
from hypersdk.model.marks import KEEP_DISKS
from hypersdk.model.virtualmachine import VirtualMachine

log = logging.getLogger(__name__)
KEPT = "kept"
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,180}[a-z0-9])?")


def keeps_disks(vm: VirtualMachine) -> bool:
    """Whether the VM's disks stay when it is deleted."""
    return (vm.metadata.annotations or {}).get(KEEP_DISKS) == "true"


def keep_disks(places: NodePlaces, vm: VirtualMachine, written: Mapping[str, str]) -> list[Path]:
    """Move each of its disks there, on the file system where it lies; all that were moved, now or before. Blocks.

    `written` has the file that each disk was written to, where that is certain, by the disk's own.
    """
    uid, kept, needed = vm.metadata.uid, list[Path](), stood_on(places)
    for root in places.roots():
        target = root / KEPT / _folder_name(vm)
        for base, family in _families(files_of(root, uid)).items():
            name = Path(base).name.removeprefix(f"{uid}-")
            is_alone = family == [Path(base)] and not any(target.glob(f"{Path(name).stem}@*"))
            tip = Path(written.get(base, base if is_alone else ""))
            if (target / name).exists():
                continue
            make_folder(target.parent)
            make_folder(target)
            if tip in family:
                _move(tip, target / name, needed)
                continue
            # Not certain: every end of its layers.
            for path in family:
                if path.name not in needed:
                    path.rename(target / path.name.removeprefix(f"{uid}-"))
        kept += sorted(target.glob("*"))
    if kept:
        log.info("vm=%s/%s its disks are kept: %s", *vm.key, ", ".join(map(str, kept)))
    return kept


def _families(files: Iterable[Path]) -> dict[str, list[Path]]:
    """Each disk's own file with its layers; what else a snapshot has is of no use alone."""
    found: dict[str, list[Path]] = {}
    for path in files:
        if not path.name.startswith(".") and ("@" not in path.name or path.suffix == ".qcow2"):
            found.setdefault(base_of(str(path)), []).append(path)
    return found


def _move(path: Path, target: Path, needed: set[str]) -> None:
    """Give the file its other name; one that others stand on keeps the old one as well, for their headers say that."""
    if path.name not in needed:
        path.rename(target)
    else:
        target.hardlink_to(path)


def _folder_name(vm: VirtualMachine) -> str:
    namespace, name = vm.key
    readable = f"{namespace}.{name}"
    return f"{readable}.{vm.metadata.uid}" if _NAME.fullmatch(readable) else vm.metadata.uid
