"""Firmware variables and the TPM's memory of a machine, which are in its backup too, and the same for its restore."""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Final

from controller.node.backups.chain import Link, read_part
from controller.node.backups.manifest import StoredState
from controller.node.backups.pieces import whole
from controller.node.backups.store import Place
from controller.node.machine_state import MachineState

KEYS: Final = {"nvram": "machine.nvram.zst", "tpm": "machine.tpm.zst"}
"""No disk's objects are called so: theirs end with a number."""


def text_of(state: MachineState) -> dict[str, str]:
    """As it is kept until it is stored."""
    found = {"nvram": state.nvram, "tpm": state.tpm}
    return {name: b64encode(content).decode() for name, content in found.items() if content}


async def stored(place: Place, folder: str, texts: Mapping[str, str]) -> list[StoredState]:
    """Store it: each of them is one object."""
    found = []
    for name, text in texts.items():
        part, data = await asyncio.to_thread(whole, KEYS[name], b64decode(text))
        await place.store.put(place.key(folder, part.key), data)
        found.append(StoredState.model_validate({"name": name, "part": part}))
    return found


async def fetched(place: Place, link: Link) -> MachineState:
    """Read it back, checked."""
    found = {one.name: await read_part(place, link.folder, one.part, "zstd") for one in link.manifest.state}
    return MachineState(nvram=found.get("nvram", b""), tpm=found.get("tpm", b""))


async def clear(place: Place, folder: str) -> None:
    """Remove what may be stored of it."""
    for key in KEYS.values():
        await place.store.delete(place.key(folder, key))
