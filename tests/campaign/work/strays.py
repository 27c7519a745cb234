"""What lies on a node that no object accounts for: files, processes, sockets."""

import re
from pathlib import Path

from tests.campaign.work import layers
from tests.campaign.work.host import Host
from tests.campaign.work.shop import Shop
from tests.libvirt.controllers import ControllerProcess

_UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


async def strays(shop: Shop) -> set[str]:
    """On all nodes; nothing may be under way."""
    found: set[str] = set()
    wanted: set[Path] = set()
    for node, (controller, host) in shop.nodes.items():
        wanted |= await _wanted(shop, node, host)
        found |= {f"{node}: {path}" for path in _others(shop, node, controller)}
        found |= {f"{node}: {words}" for words in _processes(controller.state)}
    for node, (controller, _) in shop.nodes.items():
        disks = set((controller.state / "disks").iterdir())
        found |= {f"{node}: {path}" for path in disks - wanted}
        found |= {f"{node} lacks {path}" for path in wanted - disks if path.parent == controller.state / "disks"}
    return found | {str(path) for folder in shop.shared for path in set(folder.iterdir()) - wanted}


async def _wanted(shop: Shop, node: str, host: Host) -> set[Path]:
    """Every file that a disk or a snapshot needs."""
    vms = {vm.metadata.name: vm for vm in shop.bench.vms if vm.status.node_name == node}
    files = [tip for vm in vms.values() for tip in await host.tips(vm.metadata.uid)]
    for one in shop.snapshots:
        if one.spec.vm_ref.name in vms:
            files += map(Path, one.status.backing_files or [])
    found = set(files)
    for file in files:
        if file.suffix == ".qcow2":
            found |= {*await layers.chain(file)}
    return found


def _others(shop: Shop, node: str, controller: ControllerProcess) -> set[str]:
    """What is half made, or belongs to a VM or a template that is not there."""
    state = controller.state
    here = {vm.metadata.uid for vm in shop.bench.vms if vm.status.node_name == node}
    templates = {one.metadata.uid for one in shop.templates}
    found = {path for path in state.rglob("*") if path.suffix in {".tmp", ".new", ".shared"}}
    found |= {*_below(state / "backups"), *_below(state / "images" / ".partial"), *(state / "moves").glob("*/*")}
    found |= {path for path in _below(state / "templates") if not path.name.startswith(tuple(templates) or ("-",))}
    for folder in ("seeds", "consoles", "definitions"):
        found |= {path for path in _below(state / folder) if not _UID.findall(str(path)) or _uid(path) not in here}
    return {str(path.relative_to(state)) for path in found}


def _uid(path: Path) -> str:
    found = _UID.search(str(path))
    return found.group() if found else ""


def _below(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _processes(state: Path) -> set[str]:
    """Programs that still work on its files; the controller's die with it."""
    found: set[str] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if "qemu-img" in words and any(str(state) in word for word in words):
            found.add(" ".join(words)[:200])
    return found
