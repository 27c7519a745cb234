"""Which cells does an object of a custom resource have? Its `additionalPrinterColumns`, typed as they say."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from apiserver.document import encode
from apiserver.registry.resource import Layout, TableColumn
from apiserver.tables.duration import age
from apiserver.tables.jsonpath import Step, compiled, find
from hypersdk.model.base import JsonObject

NAME = TableColumn("Name", "string", "name", "The object's name, unique in its namespace.")
AGE_PATH = ".metadata.creationTimestamp"


@dataclass(frozen=True)
class PrinterColumn:
    """One additionalPrinterColumn."""

    shown: TableColumn
    path: str


AGE = PrinterColumn(TableColumn("Age", "date", "", "When the object was created."), AGE_PATH)


def custom_layout(columns: tuple[PrinterColumn, ...]) -> Layout:
    """The name, then the columns (just the age when the CRD names none)."""
    chosen = columns or (AGE,)
    steps = [(column.shown.type, compiled(column.path)) for column in chosen]

    def cells(obj: JsonObject, now: datetime) -> list[JsonValue]:
        metadata = obj.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else ""
        return [name, *(cell(obj, kind, path, now) for kind, path in steps)]

    return Layout((NAME, *(column.shown for column in chosen)), cells)


def cell(obj: JsonObject, kind: str, path: tuple[Step, ...], now: datetime) -> JsonValue:
    """One cell; null when there is nothing of that type at the path."""
    found = find(obj, path)
    if not found or found[0] is None:
        return None
    value = found[0]
    match kind:
        case "integer":
            return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
        case "number":
            return value if isinstance(value, int | float) and not isinstance(value, bool) else None
        case "boolean":
            return value if isinstance(value, bool) else None
        case "date":
            return age(value, now)
        case _:
            return _shown(value)


def _shown(value: JsonValue) -> str:
    return value if isinstance(value, str) else encode(value).decode()
