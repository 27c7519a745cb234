"""What is one request on objects: who asks, of which resource, with which options?"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from aiohttp import web

from apiserver.access import User
from apiserver.document import child
from apiserver.handlers.route import Route
from apiserver.refusal import FieldError, Named, bad_request, forbidden, invalid, not_found
from apiserver.registry.catalogue import Catalogue
from apiserver.registry.resource import ResourceType
from apiserver.schema import fields
from apiserver.storage.store import Store
from apiserver.storage.stored import Key
from hypersdk.model.base import JsonObject

FieldValidation = Literal["Strict", "Warn", "Ignore"]
_MANAGER_LIMIT = 128


@dataclass(frozen=True)
class Api:
    """What every handler works on."""

    store: Store
    catalogue: Catalogue
    now: Callable[[], datetime]


@dataclass
class Call:
    """One request."""

    api: Api
    request: web.Request
    user: User
    resource: ResourceType
    route: Route
    warnings: list[str] = field(default_factory=list)
    """Told to the client in Warning headers."""

    @property
    def key(self) -> Key:
        """The object that the path names."""
        return self.key_of(self.route.name)

    def key_of(self, name: str) -> Key:
        """An object in the path's namespace."""
        return Key(self.resource.id, self.route.namespace, name)

    def option(self, name: str) -> str:
        """A query parameter."""
        return self.request.query.get(name, "")

    def flag(self, name: str) -> bool:
        """A boolean query parameter: true when it is there at all, unless it says otherwise."""
        return self.request.query.get(name, "false").lower() not in {"0", "false"}

    def number(self, name: str) -> int:
        """A numeric query parameter; 0 when it is missing."""
        text = self.option(name)
        try:
            number = int(text or "0")
        except ValueError as error:
            raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from error
        if abs(number) >= 2**63:
            raise bad_request(f'strconv.ParseInt: parsing "{text}": value out of range')
        return number


@dataclass(frozen=True)
class WriteOptions:
    """The options that all writes share."""

    dry_run: bool
    validation: FieldValidation
    manager: str
    force: bool


def write_options(call: Call, kind: str) -> WriteOptions:
    """Read CreateOptions, UpdateOptions or PatchOptions from the query; 422 when they make no sense."""
    validation, manager = call.option("fieldValidation"), call.option("fieldManager")
    dry_run = call.request.query.getall("dryRun", [])
    if problems := [*_dry_run_problems(dry_run), *_manager_problems(manager), *_validation_problems(validation)]:
        raise invalid(Named("meta.k8s.io", kind), problems)
    return WriteOptions(
        bool(dry_run),
        "Strict" if validation == "Strict" else "Ignore" if validation == "Ignore" else "Warn",
        manager or _manager(call.request.headers.get("User-Agent", "")),
        call.flag("force"),
    )


def _validation_problems(validation: str) -> list[FieldError]:
    if validation in {"", "Ignore", "Strict", "Warn"}:
        return []
    allowed = ", ".join(f'"{one}"' for one in ("", "Ignore", "Strict", "Warn"))
    message = f"Unsupported value: {fields.shown(validation)}: supported values: {allowed}"
    return [FieldError("FieldValueNotSupported", "fieldValidation", message)]


def _manager_problems(manager: str) -> list[FieldError]:
    if len(manager) > _MANAGER_LIMIT:
        return [fields.too_long("fieldManager", _MANAGER_LIMIT)]
    return [
        fields.invalid_value("fieldManager", manager, f"invalid character U+{ord(char):04X} (at position {position})")
        for position, char in enumerate(manager)
        if not char.isprintable()
    ][:1]


def _dry_run_problems(values: list[str]) -> list[FieldError]:
    return [] if values in ([], ["All"]) else [fields.not_supported("dryRun", list(values), ["All"])]


def is_dry_run(values: list[str], kind: str) -> bool:
    """Whether nothing is to be stored; `All` is the only value there is."""
    if problems := _dry_run_problems(values):
        raise invalid(Named("meta.k8s.io", kind), problems)
    return bool(values)


def _manager(user_agent: str) -> str:
    name = user_agent.split("/", 1)[0]
    return "".join(char for char in name if char.isprintable())[:_MANAGER_LIMIT] or "unknown"


def check_namespace(call: Call, name: str) -> None:
    """New content needs a namespace that exists and is not going away."""
    if not call.resource.namespaced:
        return
    about = Named("", "namespaces", call.route.namespace)
    namespace = call.api.store.get(Key("namespaces", "", about.name))
    if namespace is None:
        raise not_found(about)
    if b'"deletionTimestamp"' in namespace.raw and "deletionTimestamp" in child(namespace.document(), "metadata"):
        cause: JsonObject = {
            "reason": "NamespaceTerminating",
            "message": f"namespace {about.name} is being terminated",
            "field": "metadata.namespace",
        }
        why = f"unable to create new content in namespace {about.name} because it is being terminated"
        raise forbidden(call.resource.named(name), why, [cause])
