"""How do objects become a meta.k8s.io/v1 Table?"""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from pydantic import JsonValue

from apiserver.document import child, encode
from apiserver.registry.resource import Layout, TableColumn
from apiserver.storage.stored import Stored
from hypersdk.model.base import JsonObject

IncludeObject = Literal["None", "Metadata", "Object"]


def table(
    layout: Layout,
    documents: Iterable[JsonObject],
    list_meta: JsonObject,
    include: IncludeObject,
    now: datetime,
) -> JsonObject:
    """The whole table."""
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": list_meta,
        "columnDefinitions": [_column(column) for column in layout.columns],
        "rows": [_row(layout, document, include, now) for document in documents],
    }


def table_json(
    layout: Layout, found: Iterable[Stored], list_meta: JsonObject, include: IncludeObject, now: datetime, version: str
) -> bytes:
    """The whole table of a list as JSON; an object is read and forgotten with its row, for 10,000 at once are slow."""
    around = table(layout, [], list_meta, include, now) | {"apiVersion": f"meta.k8s.io/{version}"}
    del around["rows"]
    rows = b",".join(encode(_row(layout, one.document(), include, now)) for one in found)
    return b'%s,"rows":[%s]}' % (encode(around)[:-1], rows)


def _column(column: TableColumn) -> JsonObject:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }


def _row(layout: Layout, document: JsonObject, include: IncludeObject, now: datetime) -> JsonObject:
    shown: JsonValue = None
    if include == "Metadata":
        shown = partial(document)
    elif include == "Object":
        shown = document
    return {"cells": layout.cells(document, now), "object": shown}


def partial(document: JsonObject) -> JsonObject:
    """The object as a PartialObjectMetadata."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": child(document, "metadata")}
