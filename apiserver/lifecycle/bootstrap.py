"""What is there from the first moment? Namespaces, and the definitions that come with the product."""

from pathlib import Path
from typing import cast

import yaml

from apiserver.document import child
from apiserver.lifecycle.internal import Own
from apiserver.registry import builtin
from apiserver.registry.definitions import complete
from apiserver.storage.stored import Key
from hypersdk.model.base import JsonObject

NAMESPACES = ("default", "kube-system", "hypersdk-system")


def shipped(folder: Path) -> list[JsonObject]:
    """The definitions in a folder."""
    return [
        cast("JsonObject", document)
        for path in sorted(folder.glob("*.yaml"))
        for document in yaml.load_all(path.read_bytes(), Loader=yaml.CSafeLoader)
    ]


async def bootstrap(own: Own, definitions: list[JsonObject]) -> None:
    """Make what is missing, and bring our definitions up to date."""
    namespaces = own.catalogue.by_id(builtin.NAMESPACES)
    assert namespaces is not None
    for name in NAMESPACES:
        if own.store.get(Key(builtin.NAMESPACES, "", name)) is None:
            await own.create(namespaces, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    for stored in own.store.collection(builtin.DEFINITIONS).current():
        own.catalogue.define(stored.key.name, stored.document())
    for definition in definitions:
        await _define(own, definition)


async def _define(own: Own, definition: JsonObject) -> None:
    resource = own.catalogue.by_id(builtin.DEFINITIONS)
    assert resource is not None
    key = Key(builtin.DEFINITIONS, "", str(child(definition, "metadata")["name"]))
    found = own.store.get(key)
    if found is None:
        await own.create(resource, definition)
        return
    present = found.document()
    wanted = present | {"spec": child(definition, "spec")}
    complete(wanted, present, own.now())
    if wanted["spec"] != present["spec"]:

        def edit(obj: JsonObject) -> None:
            obj["spec"], obj["status"] = wanted["spec"], wanted["status"]
            meta = child(obj, "metadata")
            generation = meta.get("generation")
            meta["generation"] = generation + 1 if isinstance(generation, int) else 1

        await own.change(key, edit)
