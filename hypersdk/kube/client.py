"""Plain calls on objects: list, get, create, patch, replace, delete. JSON becomes a model here and stays one."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, Literal, TypeVar

from pydantic import ValidationError
from pydantic_core import from_json

from hypersdk import errors
from hypersdk.kube.causes import cause
from hypersdk.kube.endpoint import Connection
from hypersdk.model.base import JsonObject, Resource
from hypersdk.model.kinds import Kind

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T", bound=Resource)
log = logging.getLogger(__name__)

MERGE_PATCH: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"
PatchType = Literal["application/merge-patch+json", "application/json-patch+json", "application/apply-patch+yaml"]
REQUEST_TIMEOUT_S = 30.0
PAGE: Final = "500"
"""Objects in a page of a list: the first ones are there soon, and no answer is large."""

_BY_CODE: dict[int, type[errors.ApiError]] = {
    400: errors.Invalid,
    401: errors.Unauthorized,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.Conflict,
    410: errors.Gone,
    422: errors.Invalid,
}
_BUSY = {429, 503}
LONGEST_PAUSE_S = 60.0
"""No server is left alone for longer, whatever it asks for."""


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page of a list; `continue_` is empty on the last one."""

    items: list[T]
    resource_version: str
    continue_: str


class Client:
    """Objects of one API server. Every call raises ApiError for a refusal, Unreachable when nothing answers."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @property
    def namespace(self) -> str:
        """The namespace of the context."""
        return self.connection.context.namespace

    async def page(self, kind: Kind[T], namespace: str = "", *, query: Sequence[tuple[str, str]] = ()) -> Page[T]:
        """One page of a list; selectors, limit and continue go into `query` by their API names."""
        raw = await self.raw("GET", kind.path(namespace), query=query)
        return _page(kind, _object(raw, self.connection.host), self.connection.host, lean=False)

    async def pages(
        self, kind: Kind[T], namespace: str = "", *, query: Sequence[tuple[str, str]] = (), lean: bool = False
    ) -> AsyncGenerator[Page[T], None]:
        """Every page of a list; the server makes the next one while the caller looks at this one.

        `lean` leaves out who manages which field: a third of what an object takes, which caches have no use for.
        """
        path, host = kind.path(namespace), self.connection.host
        under_way = asyncio.ensure_future(self.raw("GET", path, query=[("limit", PAGE), *query]))
        try:
            while True:
                listed = _object(await under_way, host)
                after = _continues(listed)
                if after:
                    more = [("limit", PAGE), *query, ("continue", after)]
                    under_way = asyncio.ensure_future(self.raw("GET", path, query=more))
                yield _page(kind, listed, host, lean=lean)
                if not after:
                    return
        finally:
            under_way.cancel()
            await asyncio.wait([under_way])

    async def list(self, kind: Kind[T], namespace: str = "", *, labels: str = "", fields: str = "") -> list[T]:
        """Every object that matches the selectors; an empty namespace means all of them."""
        selectors = [("labelSelector", labels), ("fieldSelector", fields)]
        query = [(name, value) for name, value in selectors if value]
        async with aclosing(self.pages(kind, namespace, query=query)) as pages:
            return [item async for page in pages for item in page.items]

    async def get(self, kind: Kind[T], namespace: str, name: str) -> T:
        """One object."""
        return _decode(kind, await self.raw("GET", kind.path(namespace, name)))

    async def create(self, kind: Kind[T], namespace: str, obj: JsonObject, *, strict: bool = True) -> T:
        """Create from a JSON object; unknown fields are refused unless `strict` is False."""
        body = {"apiVersion": kind.api_version, "kind": kind.kind} | obj
        query = [("fieldValidation", "Strict")] if strict else []
        return _decode(kind, await self.raw("POST", kind.path(namespace), query=query, body=body))

    async def patch(
        self,
        kind: Kind[T],
        namespace: str,
        name: str,
        patch: JsonObject | Sequence[JsonObject],
        *,
        subresource: str = "",
        patch_type: PatchType = MERGE_PATCH,
    ) -> T:
        """Merge patch (a JSON object) or JSON patch (a list); a `resourceVersion` in it makes it conditional."""
        path = kind.path(namespace, name, subresource)
        query = [("fieldManager", "hypersdk"), ("force", "true")] if patch_type == APPLY_PATCH else []
        return _decode(kind, await self.raw("PATCH", path, query=query, body=patch, content_type=patch_type))

    async def replace(self, kind: Kind[T], obj: T, *, subresource: str = "") -> T:
        """Replace the whole object; Conflict when its resourceVersion is not the newest."""
        namespace, name = obj.key
        return _decode(kind, await self.raw("PUT", kind.path(namespace, name, subresource), body=obj.wire()))

    async def delete(self, kind: Kind[T], namespace: str, name: str, *, uid: str = "") -> None:
        """Ask for deletion, only of the object with that uid if one is given; finalizers may hold it."""
        body: JsonObject = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if uid:
            body["preconditions"] = {"uid": uid}
        await self.raw("DELETE", kind.path(namespace, name), body=body)

    async def raw(
        self,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        body: object = None,
        content_type: str = "application/json",
    ) -> bytes:
        """The body of a successful answer."""
        response = await self.connection.request(
            method, path, query=query, body=body, content_type=content_type, timeout=REQUEST_TIMEOUT_S
        )
        data = await _read(response, self.connection.host)
        if response.status >= 400:
            raise error_of(response.status, data, response.headers.get("Retry-After", ""))
        return data

    async def close(self) -> None:
        """Close the connection."""
        await self.connection.close()


async def _read(response: "aiohttp.ClientResponse", host: str) -> bytes:
    import aiohttp

    try:
        async with response:
            return await response.read()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise errors.Unreachable(f"the answer of {host} broke off: {cause(error)}") from error


def error_of(code: int, body: bytes, retry_after: str = "") -> errors.ApiError:
    """The exception for a `Status` answer (or for whatever else came with that HTTP code)."""
    error = _error_of(code, body)
    if code in _BUSY and retry_after.isascii() and retry_after.isdigit():
        error.retry_after = min(float(retry_after), LONGEST_PAUSE_S)
    return error


def _error_of(code: int, body: bytes) -> errors.ApiError:
    try:
        status: JsonObject = json.loads(body)
        message, reason = str(status["message"]), str(status.get("reason", ""))
    except (ValueError, KeyError, TypeError):
        message, reason = body.decode(errors="replace").strip()[:500] or f"HTTP {code}", ""
    if reason == "AlreadyExists":
        return errors.AlreadyExists(message, code, reason)
    return _BY_CODE.get(code, errors.ApiError)(message, code, reason or "Unknown")


def _object(raw: bytes, host: str) -> JsonObject:
    try:
        found = from_json(raw)
    except ValueError as error:
        raise errors.Unreachable(f"{host} answered with something else than an object of the API") from error
    if not isinstance(found, dict):
        raise errors.Unreachable(f"{host} answered with something else than an object of the API")
    return found


def _continues(listed: JsonObject) -> str:
    meta = listed.get("metadata")
    return str(meta.get("continue") or "") if isinstance(meta, dict) else ""


def _page(kind: Kind[T], listed: JsonObject, host: str, *, lean: bool) -> Page[T]:
    meta, items = listed.get("metadata"), listed.get("items")
    if not isinstance(meta, dict):
        raise errors.Unreachable(f"{host} answered with something else than a list")
    found = items if isinstance(items, list) else []
    return Page(
        list(_readable(kind, map(unmanaged, found) if lean else found)),
        str(meta.get("resourceVersion", "")),
        _continues(listed),
    )


def unmanaged(item: object) -> object:
    """The object without the record of who manages which of its fields."""
    if isinstance(item, dict) and isinstance(meta := item.get("metadata"), dict):
        meta.pop("managedFields", None)
    return item


def _readable(kind: Kind[T], items: Iterable[object]) -> Iterator[T]:
    """The objects that can be read: one that cannot does not hide the others."""
    for item in items:
        try:
            yield kind.model.model_validate(item)
        except ValidationError as error:
            log.warning("skipped an unreadable %s: %s", kind.kind, error)


def _decode(kind: Kind[T], data: bytes) -> T:
    try:
        return kind.model.model_validate_json(data)
    except ValidationError as error:
        raise errors.Invalid(f"the API sent a {kind.kind} that cannot be read: {error}", 422, "Invalid") from error
