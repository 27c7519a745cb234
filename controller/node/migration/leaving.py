"""What a VM leaves behind on a node that it does not belong to: its domain, which is off, and its own files."""

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

from controller.hypervisor.port import DomainState, Hypervisor, ObservedDomain
from controller.node.migration.records import Record
from controller.node.places import NodePlaces, files_of
from controller.node.pools import NodePools
from controller.node.ports import ConsoleKeeper
from controller.node.sharing import shared
from hypersdk.errors import Terminal, Transient


@dataclass
class Leavings:
    """Removes it. The caller has made sure, by the API itself, that the VM is not this node's."""

    hypervisor: Hypervisor
    consoles: ConsoleKeeper
    places: NodePlaces
    pools: NodePools | None = None

    async def remove(self, record: Record) -> None:
        """Safe to repeat; Transient while the domain is on, for nothing is cut here."""
        observed = await self.hypervisor.observe(record.uid)
        if observed is not None and not observed.is_ours:
            return
        if observed is not None and _is_remnant(observed):
            await self.hypervisor.destroy(record.uid)
        elif observed is not None and observed.is_active:
            raise Transient(f"{observed.name} runs here, though VM {record.name} is another node's: look at it")
        await self.hypervisor.undefine(record.uid)
        await self.consoles.detach(record.uid)
        await asyncio.to_thread(remove_files, self.places, record)
        if self.pools is not None:
            self.pools.changed()


def _is_remnant(observed: ObservedDomain) -> bool:
    """Whether libvirt was to end it when it had left, and died itself: nothing but a move holds a guest like that."""
    return observed.state is DomainState.PAUSED and observed.reason in {"migration", "postcopy", "postcopy-failed"}


def _names(record: Record) -> set[str]:
    """The files on shared storage, which stay in any case."""
    return {path.name for folder in record.shared for path in files_of(Path(folder), record.uid)}


def check_clones(places: NodePlaces, record: Record) -> None:
    """Terminal when others' disks stand on what leaves, or on what only this node would know is stood on. Blocks."""
    kept = {Path(folder) for folder in record.shared}
    stay = shared(places, record.uid) - _names(record)
    unseen = shared(places, record.uid, kept)
    if names := sorted(stay | unseen):
        words = f"linked clones here stand on its disks ({', '.join(names)})"
        advice = "move it when they are deleted or replaced by full clones, or put both on storage that both nodes have"
        raise Terminal("HasClones", f"{words}: {advice}")


def remove_files(places: NodePlaces, record: Record) -> None:
    """The VM's files that only this node has, and that nobody else's disks stand on. Blocks."""
    if needed := shared(places, record.uid) - _names(record):
        raise Transient(f"others stand on files of {record.name}, which stay for now: {', '.join(sorted(needed))}")
    kept = {Path(folder) for folder in record.shared}
    for path in places.files(record.uid):
        if path.parent not in kept:
            path.unlink(missing_ok=True)
    for folder in places.folders(record.uid):
        if folder not in kept and folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder)
