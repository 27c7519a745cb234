"""GET on objects: one, or a list with selectors, pages and versions."""

import asyncio
import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial as partial_of
from itertools import islice

from aiohttp import web

from apiserver.document import encode
from apiserver.handlers.answers import as_version, document_answer, include_of, object_answer, raw_answer
from apiserver.handlers.call import Call
from apiserver.handlers.negotiation import Wanted, negotiate
from apiserver.refusal import FieldError, Named, Refusal, bad_request, expired, invalid, not_found
from apiserver.schema import fields
from apiserver.selectors.fields import FieldSelector, check_supported, parse_fields
from apiserver.selectors.labels import LabelSelector, parse_labels
from apiserver.storage.collection import Place, TooOld
from apiserver.storage.stored import Stored
from apiserver.tables.table import partial, table, table_json
from hypersdk.model.base import JsonObject

_WAIT_FOR_VERSION_S = 3.0
_IN_THREAD_FROM = 200
_TOO_OLD_PAGE = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)
_NOW = -1
"""The version in a continue token that goes on with what there is by then."""


@dataclass(frozen=True)
class Selection:
    """Which objects of a resource are meant."""

    labels: LabelSelector
    fields: FieldSelector
    namespace: str

    def matches(self, stored: Stored) -> bool:
        """Whether an object is one of them."""
        if self.namespace and stored.key.namespace != self.namespace:
            return False
        return self.labels.matches(stored.labels) and self.fields.matches(stored)


def selection(call: Call) -> Selection:
    """The selectors of a request; 400 when they are none, or ask for what cannot be selected by."""
    chosen = _read_selectors(call)
    check_supported(chosen.fields)
    return chosen


def _read_selectors(call: Call) -> Selection:
    return Selection(
        parse_labels(call.option("labelSelector")),
        parse_fields(call.option("fieldSelector"), call.resource),
        call.route.namespace,
    )


@dataclass(frozen=True)
class ListOptions:
    """What a list asks for besides its selectors."""

    limit: int
    continue_: str
    version: int
    """0 when any will do."""
    match: str


def list_options(call: Call, chosen: Selection) -> ListOptions:
    """Read the options; 400 or 422 when they (or the selectors) make no sense."""
    limit = call.number("limit")
    version, match = call.option("resourceVersion"), call.option("resourceVersionMatch")
    problems: list[FieldError] = []
    if match and not version:
        detail = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        problems.append(fields.forbidden_field("resourceVersionMatch", detail))
    if match not in {"", "Exact", "NotOlderThan"}:
        problems.append(fields.not_supported("resourceVersionMatch", match, ["Exact", "NotOlderThan", ""]))
    if match == "Exact" and version == "0":
        detail = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        problems.append(fields.forbidden_field("resourceVersionMatch", detail))
    if call.option("sendInitialEvents"):
        problems.append(fields.forbidden_field("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    if problems:
        raise invalid(Named("meta.k8s.io", "ListOptions"), problems)
    check_supported(chosen.fields)
    any_will_do = version == "0" and match != "Exact"  # then all of the newest is told
    return ListOptions(
        0 if any_will_do else limit,
        call.option("continue"),
        parse_version(version, "invalid resource version: "),
        match,
    )


def parse_version(text: str, complaint: str = "") -> int:
    """A resourceVersion; 0 when there is none."""
    if text and not (text.isascii() and text.isdecimal() and len(text) < 20):
        message = f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise bad_request(complaint + message)
    return int(text or "0")


async def get(call: Call) -> web.Response:
    """One object."""
    negotiate(call.request.headers.get("Accept", ""))
    await wait_for_version(call, parse_version(call.option("resourceVersion")))
    found = call.api.store.get(call.key)
    if found is None:
        raise not_found(call.resource.named(call.route.name))
    return await object_answer(call, found.raw)


async def wait_for_version(call: Call, version: int) -> None:
    """Let a version that was just given out become readable; 504 when it does not come."""
    store = call.api.store
    if version <= store.version:
        return
    deadline = asyncio.get_running_loop().time() + _WAIT_FOR_VERSION_S
    with store.subscribe(call.resource.id) as changes:
        while version > store.version:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                raise _too_large(version, store.version)
            await changes.take(left)


def _too_large(version: int, current: int) -> Refusal:
    message = f"Timeout: Too large resource version: {version}, current: {current}"
    cause: JsonObject = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return Refusal(504, "Timeout", message, {"causes": [cause], "retryAfterSeconds": 1})


@dataclass(frozen=True)
class _Page:
    items: list[Stored]
    meta: JsonObject


async def list_(call: Call) -> web.Response:
    """A list, or one page of it."""
    wanted = negotiate(call.request.headers.get("Accept", ""))
    if wanted.form == "partial":
        kind = f"*v1.{call.resource.list_kind}" if call.resource.rules.is_typed else "*unstructured.UnstructuredList"
        words = f"you requested PartialObjectMetadata, but the requested object is a list ({kind})"
        raise Refusal(406, "NotAcceptable", words)
    for name in ("limit", "timeoutSeconds"):
        call.number(name)
    chosen = _read_selectors(call)
    options = list_options(call, chosen)
    if not options.continue_:
        await wait_for_version(call, options.version)
    page = _page(call, options, chosen)
    if wanted.form == "object" and not wanted.yaml:
        return await raw_answer(call, _list_json(call, page), wanted)
    if wanted.form == "table" and not wanted.yaml:
        return await raw_answer(call, await _table(call, page, wanted), wanted)
    if len(page.items) > _IN_THREAD_FROM:
        document = await asyncio.to_thread(_converted, call, page, wanted)
    else:
        document = _converted(call, page, wanted)
    return await document_answer(call, document, wanted)


def _page(call: Call, options: ListOptions, chosen: Selection) -> _Page:
    collection = call.api.store.collection(call.resource.id)
    version, after = _start(call, options)
    if chosen.fields.name and (chosen.namespace or not call.resource.namespaced):
        one = collection.objects.get((chosen.namespace, chosen.fields.name))
        found = iter([one] if one is not None else [])
    else:
        try:
            at_present = version >= call.api.store.version
            found = (
                collection.current(chosen.namespace, after)
                if at_present
                else collection.at(version, chosen.namespace, after)
            )
        except TooOld as error:
            if options.continue_:
                raise expired(_TOO_OLD_PAGE, _continue_token(_NOW, after)) from error
            raise expired("The resourceVersion for the provided list is too old.") from error
    return _cut(filter(chosen.matches, found), options.limit, version, is_filtered=_is_filtered(chosen))


def _is_filtered(chosen: Selection) -> bool:
    return bool(chosen.labels.requirements or chosen.fields.terms)


def _start(call: Call, options: ListOptions) -> tuple[int, tuple[str, str] | None]:
    """The version to read at, and behind which object to begin."""
    if options.continue_:
        version, after = _read_continue(options.continue_)
        return (call.api.store.version if version == _NOW else version), after
    exact = options.match == "Exact" or (options.limit > 0 and options.version > 0 and not options.match)
    return (options.version if exact else call.api.store.version), None


def _cut(matching: Iterator[Stored], limit: int, version: int, *, is_filtered: bool) -> _Page:
    meta: JsonObject = {"resourceVersion": str(version)}
    if limit <= 0:
        return _Page(list(matching), meta)
    page = list(islice(matching, limit))
    left = sum(1 for _ in matching) if not is_filtered else int(next(matching, None) is not None)
    if left:
        meta["continue"] = _continue_token(version, (page[-1].key.namespace, page[-1].key.name))
        if not is_filtered:
            meta["remainingItemCount"] = left
    return _Page(page, meta)


def _continue_token(version: int, last: Place | None) -> str:
    start = [version, *(last or ("", ""))]
    return base64.urlsafe_b64encode(json.dumps(start).encode()).rstrip(b"=").decode()


def _read_continue(token: str) -> tuple[int, tuple[str, str]]:
    try:
        version, namespace, name = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return int(version), (str(namespace), str(name))
    except (ValueError, TypeError, binascii.Error) as error:
        raise bad_request("invalid continue token: continue key is not valid: it was not given out here") from error


def _list_json(call: Call, page: _Page) -> bytes:
    """The list put together from stored JSON, without reading it."""
    resource = call.resource
    head = encode({"apiVersion": resource.api_version})[:-1]
    tail = encode({"kind": resource.list_kind, "metadata": page.meta})[1:]
    items = b",".join(as_version(resource, one.raw) for one in page.items)
    return b'%s,"items":[%s],%s' % (head, items, tail)


async def _table(call: Call, page: _Page, wanted: Wanted) -> bytes:
    made = partial_of(
        table_json, call.resource.layout, page.items, page.meta, include_of(call), call.api.now(), wanted.version
    )
    return await asyncio.to_thread(made) if len(page.items) > _IN_THREAD_FROM else made()


def _converted(call: Call, page: _Page, wanted: Wanted) -> JsonObject:
    documents = [one.document() for one in page.items]
    if wanted.form == "table":
        converted = table(call.resource.layout, documents, page.meta, include_of(call), call.api.now())
        return converted | {"apiVersion": f"meta.k8s.io/{wanted.version}"}
    if wanted.form == "object":
        kind, version = call.resource.list_kind, call.resource.api_version
        return {"apiVersion": version, "kind": kind, "metadata": page.meta, "items": list(documents)}
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": page.meta,
        "items": [partial(document) for document in documents] or None,
    }
