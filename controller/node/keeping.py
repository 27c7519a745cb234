"""Where do the disks lie that outlive their VM? Beside the others, below `kept`, in a folder with the VM's name."""

import logging
import re
from pathlib import Path

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


def keep_disks(places: NodePlaces, vm: VirtualMachine) -> list[Path]:
    """Move each of its disks there, on the file system where it lies; all that were moved, now or before. Blocks."""
    uid, kept, needed = vm.metadata.uid, list[Path](), stood_on(places)
    for root in places.roots():
        target = root / KEPT / _folder_name(vm)
        for path in files_of(root, uid):
            if not path.name.startswith("."):
                make_folder(target.parent)
                make_folder(target)
                _move(path, target / path.name.removeprefix(f"{uid}-"), needed)
        kept += sorted(target.glob("*"))
    if kept:
        log.info("vm=%s/%s its disks are kept: %s", *vm.key, ", ".join(map(str, kept)))
    return kept


def _move(path: Path, target: Path, needed: set[str]) -> None:
    """Give the file its other name; one that others stand on keeps the old one as well, for their headers say that."""
    if path.name not in needed:
        path.rename(target)
    elif not target.exists():
        target.hardlink_to(path)


def _folder_name(vm: VirtualMachine) -> str:
    namespace, name = vm.key
    readable = f"{namespace}.{name}"
    return f"{readable}.{vm.metadata.uid}" if _NAME.fullmatch(readable) else vm.metadata.uid
