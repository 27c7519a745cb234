"""What one stored object is, and what one change of it was."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from apiserver.document import child, texts
from hypersdk.model.base import JsonObject


class Key(NamedTuple):
    """Where an object lives; `resource` is `plural.group` (just `plural` in the core group)."""

    resource: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """One version of an object: its JSON as it goes over the wire, and what selectors need of it."""

    key: Key
    version: int
    raw: bytes
    labels: Mapping[str, str]
    fields: dict[str, str] = field(default_factory=dict)
    """Values of field selectors that were asked for before."""

    def document(self) -> JsonObject:
        """The object, freshly read: the caller may change it."""
        return _read(self.raw)


def _read(raw: bytes) -> JsonObject:
    """What this server wrote itself needs none of the care that costs ten times more with a client's JSON."""
    return cast("JsonObject", json.loads(raw))


def stored(key: Key, version: int, raw: bytes, document: JsonObject | None = None) -> Stored:
    """A stored version of an object from its JSON."""
    obj = document if document is not None else _read(raw)
    return Stored(key, version, raw, texts(child(obj, "metadata"), "labels"))


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """One write: `old` is None for a creation, `new` for a deletion; `last` is what a deletion leaves to be told."""

    version: int
    key: Key
    old: Stored | None
    new: Stored | None
    last: Stored
    wire: dict[str, bytes] = field(default_factory=dict)
    """Encoded watch events by their form, made once for all watchers."""
