"""Which VMs are on their way here or away from here? Kept on disk, so that what they leave behind is found again."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from controller.node.places import checked_uid
from controller.node.whole_file import write_whole
from hypersdk.kube.cache import Key

Way = Literal["incoming", "outgoing"]


@dataclass(frozen=True)
class Record:
    """One VM under way, written down before anything of it is made or moved."""

    uid: str
    namespace: str
    name: str
    operation: str
    other: str
    """The other node."""
    shared: tuple[str, ...] = ()
    """Folders of disks that both nodes have: nothing in them is ever removed for a move's sake."""

    @property
    def key(self) -> Key:
        """The VM."""
        return (self.namespace, self.name)


@dataclass(frozen=True)
class Records:
    """Those of one node. Everything here blocks."""

    folder: Path

    def write(self, way: Way, record: Record) -> None:
        """Keep it; on disk when this returns."""
        path = self._path(way, record.uid)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(asdict(record)).encode())

    def read(self, way: Way, uid: str) -> Record | None:
        """That of one VM."""
        try:
            raw = json.loads(self._path(way, uid).read_text())
            return Record(**{**raw, "shared": tuple(raw["shared"])})
        except FileNotFoundError:
            return None

    def all(self, way: Way) -> list[Record]:
        """Every one."""
        uids = [path.stem for path in sorted((self.folder / way).glob("*.json"))]
        found = (self.read(way, uid) for uid in uids)
        return [record for record in found if record is not None]

    def forget(self, way: Way, uid: str) -> None:
        """It is over."""
        self._path(way, uid).unlink(missing_ok=True)

    def _path(self, way: Way, uid: str) -> Path:
        return self.folder / way / f"{checked_uid(uid)}.json"
