"""What of a machine lies beside its disks, and how does another one get it? Firmware variables and the TPM's memory.

Both are files of libvirt's, small, and worth nothing without the disks: boot entries and Secure Boot keys in the one,
in the other what disks are sealed to. `capture` reads them, of a machine that runs too. `keep` lays them down for a
machine that is off, or of which there is no domain yet, and the next start puts them where libvirt looks: whoever dies
on the way leaves them kept. They go with everything else of the machine's uid.
"""

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from controller.hypervisor.layer_port import DomainFiles
from controller.node.places import NodePlaces
from controller.node.refused import tried
from controller.node.whole_file import replace_whole
from hypersdk.errors import Transient

NVRAM, TPM = "nvram.fd", "tpm2-00.permall"
"""What they are called while they are kept; the TPM's is called so by swtpm too."""
MOST_BYTES = 64 << 20
_READINGS = 5
_PRIVATE = 0o700
_PASSABLE = 0o711
"""Of a folder of libvirt's that swtpm's own user has to get through."""


@dataclass(frozen=True)
class MachineState:
    """Both, each empty where the machine has none; what nothing was written to yet is not there either."""

    nvram: bytes = b""
    tpm: bytes = b""


class DomainLooks(Protocol):
    """What of `controller.hypervisor.layer_port.LayerHost` is needed for it."""

    async def files(self, uuid: str) -> DomainFiles: ...


@dataclass(frozen=True)
class MachineStates:
    """Those of the machines of one node. A call raises Transient when it cannot be done now, and can be repeated."""

    places: NodePlaces
    host: DomainLooks

    async def capture(self, uid: str) -> MachineState:
        """What the machine's state is now: what is kept for its next start, else what libvirt has of it."""
        there = await self.host.files(uid)
        return await tried(asyncio.to_thread(self._read, uid, there))

    async def keep(self, uid: str, state: MachineState) -> None:
        """Let the machine start with that the next time; what is empty stays as it is. The machine is off."""
        await tried(asyncio.to_thread(self._keep, uid, state))

    async def place(self, uid: str) -> None:
        """Put what is kept for the machine, which is defined and off, where libvirt looks; nothing for most of them."""
        if not await asyncio.to_thread(self.places.machine(uid).is_dir):
            return
        there = await self.host.files(uid)
        await tried(asyncio.to_thread(self._place, uid, there))

    def _read(self, uid: str, there: DomainFiles) -> MachineState:
        folder = self.places.machine(uid)
        nvram, tpm = _content(folder / NVRAM), _content(folder / TPM)
        return MachineState(nvram or _content(_path(there.nvram)), tpm or _content(_path(there.tpm)))

    def _keep(self, uid: str, state: MachineState) -> None:
        folder = self.places.machine(uid)
        for name, content in ((NVRAM, state.nvram), (TPM, state.tpm)):
            if content:
                folder.mkdir(_PRIVATE, parents=True, exist_ok=True)
                replace_whole(folder / name, content)

    def _place(self, uid: str, there: DomainFiles) -> None:
        folder = self.places.machine(uid)
        for name, target in ((NVRAM, _path(there.nvram)), (TPM, _path(there.tpm))):
            # A machine that has no TPM any more is not given what an earlier one had.
            if target is not None and (content := _content(folder / name)):
                _make_folders(target.parent)
                # The first start gives a new one to its user.
                replace_whole(target, content)
        shutil.rmtree(folder)


def _path(named: str) -> Path | None:
    return Path(named) if named else None


def _content(path: Path | None) -> bytes:
    """All of a file that somebody may be writing to: the same in two readings, one after the other. Blocks."""
    before: bytes | None = None
    for _ in range(_READINGS):
        now = _reading(path) if path is not None else b""
        if now == before or not now:
            return now
        before = now
    raise Transient(f"{path} changes all the time: the guest is writing its firmware's variables")


def _reading(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return b""
    if len(content) > MOST_BYTES:
        raise Transient(f"{path} is larger than any firmware's variables")
    return content


def _make_folders(folder: Path) -> None:
    """Folders as libvirt makes them; it gives the last one to swtpm's user."""
    folder.parent.mkdir(_PASSABLE, parents=True, exist_ok=True)
    folder.mkdir(_PRIVATE, exist_ok=True)
