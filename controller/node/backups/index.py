"""Which backups of a VM are in a place? A list beside them, for their jobs may be long gone."""

from pydantic import BaseModel, ConfigDict, ValidationError

from controller.node.backups.manifest import Digest, Named
from controller.node.backups.store import NOT_FOUND, Place
from hypersdk.errors import Terminal
from hypersdk.model.base import Time

INDEX = "index.json"
MOST_BYTES = 16 * 2**20


class Entry(BaseModel):
    """One backup."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    folder: Named
    uid: str
    job: str
    created: Time
    sha256: Digest
    """Of its manifest."""
    base: str = ""
    """The folder of the one that it stands on."""
    bytes: int = 0
    vm_uid: str = ""
    layers: dict[str, str] = {}
    """The file that each disk was written to."""


class Index(BaseModel):
    """All of them, in the order in which they were made."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    backups: list[Entry] = []

    def with_(self, entry: Entry) -> "Index":
        """With one more, or one again."""
        return Index(backups=[*(one for one in self.backups if one.folder != entry.folder), entry])

    def without(self, folders: set[str]) -> "Index":
        """Without some."""
        return Index(backups=[one for one in self.backups if one.folder not in folders])

    def chain(self, folder: str) -> list[Entry]:
        """The backup and all that it stands on, the newest first."""
        known = {one.folder: one for one in self.backups}
        found: list[Entry] = []
        while folder in known and len(found) < len(known):
            found.append(known[folder])
            folder = known[folder].base
        return found

    def standing_on(self, folder: str) -> list[Entry]:
        """Those that stand on the backup directly."""
        return [one for one in self.backups if one.base == folder]


async def read_index(place: Place) -> Index:
    """The list; empty where there is none. One that cannot be read is begun anew: it only leads to full backups."""
    try:
        data = await place.store.get(place.key("", INDEX), MOST_BYTES)
    except Terminal as error:
        if error.reason == NOT_FOUND:
            return Index()
        raise
    try:
        return Index.model_validate_json(data)
    except ValidationError:
        return Index()


async def write_index(place: Place, index: Index) -> None:
    """Replace the list."""
    await place.store.put(place.key("", INDEX), index.model_dump_json(indent=1).encode())
