"""GET with watch=1: changes as they happen, with bookmarks; whoever reads too slowly is cut off."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass

from aiohttp import web

from apiserver.document import child, encode, made_child, text
from apiserver.handlers.answers import as_version, include_of, warning_headers
from apiserver.handlers.call import Call
from apiserver.handlers.negotiation import Wanted, negotiate
from apiserver.handlers.reading import Selection, parse_version, selection
from apiserver.refusal import FieldError, Named, expired, invalid
from apiserver.schema import fields
from apiserver.storage.collection import TooOld
from apiserver.storage.stored import Change, Stored, stored
from apiserver.storage.subscription import Subscription
from apiserver.tables.table import partial, table
from hypersdk.model.base import JsonObject

_BOOKMARK_S = 55.0
_SHORTEST_S, _LONGEST_S = 1800, 3600
_WRITE_TIMEOUT_S = 30.0
_BATCH = 256


@dataclass
class _Watch:
    """One watch request."""

    call: Call
    chosen: Selection
    wanted: Wanted
    version: int
    """Up to where the client has been told."""
    bookmarks: bool
    columns_told: bool = False

    def event(self, kind: str, told: Stored, change: Change | None = None) -> bytes:
        """One line; plain ones are encoded once for all watchers of the change."""
        if self.wanted.form != "object":
            return self._line(kind, self._converted(told))
        form = f"{kind} {self.call.resource.version}"
        if change is not None and form in change.wire:
            return change.wire[form]
        line = b'{"type":"%s","object":%s}\n' % (kind.encode(), as_version(self.call.resource, told.raw))
        if change is not None:
            change.wire[form] = line
        return line

    def _line(self, kind: str, obj: JsonObject) -> bytes:
        return encode({"type": kind, "object": obj}) + b"\n"

    def _converted(self, told: Stored) -> JsonObject:
        document = told.document()
        if self.wanted.form == "partial" or self.wanted.form == "partial-list":
            return partial(document)
        return self._table([document], text(child(document, "metadata"), "resourceVersion"))

    def _table(self, documents: list[JsonObject], version: str) -> JsonObject:
        meta: JsonObject = {"resourceVersion": version}
        made = table(self.call.resource.layout, documents, meta, include_of(self.call), self.call.api.now())
        made["apiVersion"] = f"meta.k8s.io/{self.wanted.version}"
        if self.columns_told:
            made["columnDefinitions"] = None
        self.columns_told = True
        return made

    def bookmark(self, *, ends_initial: bool = False) -> bytes:
        """The version up to where the client knows everything."""
        meta: JsonObject = {"resourceVersion": str(self.version)}
        if ends_initial:
            meta["annotations"] = {"k8s.io/initial-events-end": "true"}
        resource = self.call.resource
        obj: JsonObject = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta}
        if self.wanted.form == "table":
            obj = self._table([obj], str(self.version))
        elif self.wanted.form != "object":
            obj = {"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": meta}
        return self._line("BOOKMARK", obj)

    def lines(self, changes: Iterable[Change]) -> Iterator[bytes]:
        """What the client is to hear of those changes, seen through its selectors."""
        for change in changes:
            if change.version <= self.version:
                continue
            self.version = change.version
            before = change.old is not None and self.chosen.matches(change.old)
            after = change.new is not None and self.chosen.matches(change.new)
            if after:
                yield self.event("MODIFIED" if before else "ADDED", change.last, change)
            elif before and change.new is None:
                yield self.event("DELETED", change.last, change)
            elif before and change.old is not None:
                yield self.event("DELETED", _left(change.old, change.version))


def _left(old: Stored, version: int) -> Stored:
    """The last state that a selector matched, under the version of the change that ended it."""
    document = old.document()
    made_child(document, "metadata")["resourceVersion"] = str(version)
    return stored(old.key, version, encode(document), document)


async def watch(call: Call) -> web.StreamResponse:
    """Stream changes until the timeout, the end of the server, or the client's."""
    wanted = negotiate(call.request.headers.get("Accept", ""))
    _check_options(call)
    include_of(call)
    version = parse_version(call.option("resourceVersion"))
    begun = _Watch(call, selection(call), wanted, version, call.flag("allowWatchBookmarks"))
    timeout = call.number("timeoutSeconds") or random.uniform(_SHORTEST_S, _LONGEST_S)
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Cache-Control": "no-cache, private"})
    for warning in warning_headers(call.warnings):
        response.headers.add("Warning", warning)
    with call.api.store.subscribe(call.resource.id, on_break=lambda: _cut_off(call.request)) as subscription:
        await response.prepare(call.request)
        async for chunk in _chunks(begun, subscription, timeout):
            try:
                async with asyncio.timeout(_WRITE_TIMEOUT_S):
                    await response.write(chunk)
            except (ConnectionError, TimeoutError):
                _cut_off(call.request)
                return response
        if subscription.broken:
            _cut_off(call.request)
    return response


def _cut_off(request: web.Request) -> None:
    """Drop a connection that nobody reads from."""
    if request.transport is not None:
        request.transport.abort()


def _check_options(call: Call) -> None:
    match, initial = call.option("resourceVersionMatch"), call.option("sendInitialEvents")
    problems: list[FieldError] = []
    if initial and match != "NotOlderThan":
        detail = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        problems.append(fields.forbidden_field("resourceVersionMatch", detail))
        if match:
            problems.append(fields.not_supported("resourceVersionMatch", match, ["NotOlderThan"]))
    elif match and not initial:
        detail = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        problems.append(fields.forbidden_field("resourceVersionMatch", detail))
    if problems:
        raise invalid(Named("meta.k8s.io", "ListOptions"), problems)
    call.number("limit")


async def _chunks(begun: _Watch, subscription: Subscription, timeout: float) -> AsyncIterator[bytes]:
    """Everything the client is to read."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + timeout
    try:
        async for chunk in _beginning(begun):
            yield chunk
    except TooOld as error:
        yield encode({"type": "ERROR", "object": expired(str(error)).status()}) + b"\n"
        return
    bookmark_at = loop.time() + _BOOKMARK_S
    while not subscription.broken and not subscription.ended:
        changes = await subscription.take(max(0.0, min(ends_at, bookmark_at) - loop.time()))
        for chunk in _joined(begun.lines(changes)):
            yield chunk
        is_over = loop.time() >= ends_at or subscription.ended
        if begun.bookmarks and not subscription.broken and (is_over or loop.time() >= bookmark_at):
            bookmark_at = loop.time() + _BOOKMARK_S
            if subscription.is_empty:
                begun.version = max(begun.version, begun.call.api.store.version)
            yield begun.bookmark()
        if is_over:
            return


async def _beginning(begun: _Watch) -> AsyncIterator[bytes]:
    """What comes before live changes: the present state, or what happened since the client's version."""
    collection = begun.call.api.store.collection(begun.call.resource.id)
    initial = begun.call.option("sendInitialEvents")
    wants_state = begun.call.flag("sendInitialEvents") if initial else begun.version == 0
    if wants_state:
        found = [one for one in collection.current(begun.chosen.namespace) if begun.chosen.matches(one)]
        begun.version = begun.call.api.store.version
        for chunk in _joined(begun.event("ADDED", one) for one in found):
            yield chunk
        if initial and begun.bookmarks:
            yield begun.bookmark(ends_initial=True)
        return
    if begun.version == 0:
        begun.version = begun.call.api.store.version
    if begun.version > begun.call.api.store.version:
        # The database is an older one, or another: what the client knows is of no use here, and it has to list.
        raise TooOld(begun.version, begun.call.api.store.version)
    for chunk in _joined(begun.lines(collection.since(begun.version))):
        yield chunk


def _joined(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Lines in chunks that are worth a write."""
    held: list[bytes] = []
    for line in lines:
        held.append(line)
        if len(held) == _BATCH:
            yield b"".join(held)
            held.clear()
    if held:
        yield b"".join(held)
