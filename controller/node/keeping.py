"""Where do the disks lie that outlive their VM? Beside the others, below `kept`, in a folder with the VM's name."""

import logging
import re
from pathlib import Path

from controller.node.places import NodePlaces, files_of, make_folder
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
    uid, kept = vm.metadata.uid, list[Path]()
    for root in places.roots():
        target = root / KEPT / _folder_name(vm)
        for path in files_of(root, uid):
            if not path.name.startswith("."):
                make_folder(target.parent)
                make_folder(target)
                path.rename(target / path.name.removeprefix(f"{uid}-"))
        kept += sorted(target.glob("*"))
    if kept:
        log.info("vm=%s/%s its disks are kept: %s", *vm.key, ", ".join(map(str, kept)))
    return kept


def _folder_name(vm: VirtualMachine) -> str:
    namespace, name = vm.key
    readable = f"{namespace}.{name}"
    return f"{readable}.{vm.metadata.uid}" if _NAME.fullmatch(readable) else vm.metadata.uid
