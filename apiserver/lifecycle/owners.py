"""Which objects belong to which? An index of owner references, kept while changes are published."""

from collections import defaultdict

from apiserver.document import child, items, objects, text
from apiserver.storage.stored import Key, Stored
from hypersdk.model.base import JsonObject

_MARK = b'"ownerReferences"'


def owner_references(document: JsonObject) -> list[JsonObject]:
    """The owners that an object names."""
    return objects(items(child(document, "metadata"), "ownerReferences"))


class Owners:
    """Dependents by the uid of their owner."""

    def __init__(self) -> None:
        self._dependents: defaultdict[str, set[Key]] = defaultdict(set)
        self._owners: dict[Key, set[str]] = {}

    def take(self, key: Key, state: Stored | None) -> None:
        """Note the owners of an object's new state; None when it is gone."""
        for uid in self._owners.pop(key, ()):
            self._dependents[uid].discard(key)
            if not self._dependents[uid]:
                del self._dependents[uid]
        if state is not None and _MARK in state.raw:
            uids = {text(owner, "uid") for owner in owner_references(state.document())} - {""}
            if uids:
                self._owners[key] = uids
            for uid in uids:
                self._dependents[uid].add(key)

    def dependents(self, uid: str) -> list[Key]:
        """The objects that name that owner."""
        return sorted(self._dependents.get(uid, ()))
