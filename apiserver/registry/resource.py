"""What does the server know of one resource: its names, its schema, its columns, its rules?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import JsonValue

from apiserver.objects.names import subdomain_problems
from apiserver.refusal import FieldError, Named
from hypersdk.model.base import JsonObject

READ_WRITE = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True)
class TableColumn:
    """One column of a Table."""

    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0


def _complete_nothing(_new: JsonObject, _old: JsonObject | None, _now: datetime) -> None:
    """Most kinds need nothing but their schema's defaults."""


def _allow_everything(_new: JsonObject, _old: JsonObject | None) -> Sequence[FieldError]:
    return ()


def _own_everything(_obj: JsonObject) -> JsonObject:
    return {}


def _no_fields(_obj: JsonObject) -> dict[str, str]:
    return {}


@dataclass(frozen=True)
class Rules:
    """How a kind differs from the others."""

    counts_generations: bool = False
    needs_version: bool = False
    """A PUT without resourceVersion is refused."""
    creates_on_update: bool = False
    is_typed: bool = True
    """A built-in kind: a wrong JSON type is 400, strategic merge patches work, a deletion answers as for those."""
    name_problems: Callable[[str], list[str]] = subdomain_problems
    complete: Callable[[JsonObject, JsonObject | None, datetime], None] = _complete_nothing
    """Fills in what the schema cannot say."""
    check: Callable[[JsonObject, JsonObject | None], Sequence[FieldError]] = _allow_everything
    """Refuses what the schema cannot say."""
    unowned: Callable[[JsonObject], JsonObject] = _own_everything
    """The part of a new object that the server writes by itself, so that no client owns it."""


@dataclass(frozen=True)
class Layout:
    """How a kind looks as a table."""

    columns: tuple[TableColumn, ...]
    cells: Callable[[JsonObject, datetime], list[JsonValue]]


@dataclass(frozen=True, eq=False)
class ResourceType:
    """One resource in one version."""

    group: str
    version: str
    plural: str
    kind: str
    layout: Layout
    namespaced: bool = True
    singular: str = ""
    list_kind: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = READ_WRITE
    schema: JsonObject = field(default_factory=dict)
    has_rules: bool = False
    """The schema has CEL rules."""
    storage_version: str = ""
    has_status: bool = False
    subresources: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Every subresource with its verbs."""
    selectable: tuple[str, ...] = ()
    """Paths (`status.phase`) of field selectors besides name and namespace."""
    field_values: Callable[[JsonObject], dict[str, str]] = _no_fields
    """Selectable values that are not simply read at their path."""
    rules: Rules = Rules()

    @property
    def api_version(self) -> str:
        """`group/version`, or `v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def id(self) -> str:
        """`plural.group`: under this name the objects are stored, whatever their version."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def named(self, name: str) -> Named:
        """For refusals that speak of the resource."""
        return Named(self.group, self.plural, name)

    def kind_named(self, name: str) -> Named:
        """For refusals that speak of the kind."""
        return Named(self.group, self.kind, name)
