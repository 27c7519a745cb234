"""Can a stored backup still be restored? Every object of it, and of all that it stands on, is read and checked."""

from collections.abc import Iterator
from dataclasses import dataclass

from controller.node.backups.chain import read_chain, read_part, stored_disk
from controller.node.backups.manifest import INVALID, Manifest, Part
from controller.node.backups.pieces import Compression
from controller.node.backups.store import Place
from hypersdk.errors import Terminal
from hypersdk.model.quantity import human_bytes

MOST_TOLD = 5


@dataclass(frozen=True)
class Verdict:
    """What came of it."""

    reason: str
    words: str

    @property
    def ok(self) -> bool:
        """Whether it can be restored."""
        return self.reason == "Restorable"


async def verify(place: Place, folder: str, expected: str) -> Verdict:
    """Read all of it. Transient while the store does not answer, Terminal when it refuses the account."""
    try:
        chain = await read_chain(place, folder, expected)
        for disk in chain[-1].manifest.disks:
            for link in chain:
                stored_disk(place, disk.name, link, len(chain))
    except Terminal as error:
        if error.reason in {INVALID, "ManifestNotFound", "ChainBroken"}:
            return Verdict(error.reason, str(error))
        raise
    total = sum(link.manifest.stored_bytes for link in chain)
    objects, faults = 0, []
    for link in chain:
        for part, compression in _objects(link.manifest):
            try:
                await read_part(place, link.folder, part, compression)
            except Terminal as error:
                if error.reason != INVALID:
                    raise
                faults.append(str(error))
            objects += 1
    if faults:
        more = f"; and {len(faults) - MOST_TOLD} more" if len(faults) > MOST_TOLD else ""
        return Verdict(INVALID, "; ".join(faults[:MOST_TOLD]) + more)
    links = f" in a chain of {len(chain)} backups" if len(chain) > 1 else ""
    return Verdict("Restorable", f"{objects} objects, {human_bytes(total)}{links}: all there and as written")


def _objects(manifest: Manifest) -> Iterator[tuple[Part, Compression]]:
    for disk in manifest.disks:
        yield from ((part, disk.compression) for part in disk.parts)
    yield from ((one.part, "zstd") for one in manifest.state)
