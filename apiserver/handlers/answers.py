"""How is an answer written? As the client wants it, with warnings, compressed when that is worth it."""

import asyncio
import json
import uuid
import zlib
from collections.abc import Sequence

from aiohttp import web

from apiserver.document import child, decode, encode, encode_yaml, text
from apiserver.handlers.call import Call
from apiserver.handlers.negotiation import Wanted, negotiate
from apiserver.refusal import Refusal, bad_request
from apiserver.registry.resource import ResourceType
from apiserver.tables.table import IncludeObject, partial, table
from hypersdk.model.base import JsonObject

_GZIP_FROM = 128 * 2**10
_TERMINAL_AGENTS = ("curl", "Wget", "Mozilla")
_INCLUDES: dict[str, IncludeObject] = {"": "Metadata", "Metadata": "Metadata", "None": "None", "Object": "Object"}


def status_answer(refusal: Refusal, warnings: Sequence[str] = ()) -> web.Response:
    """A refusal; a body that names its own wait also says so in Retry-After."""
    headers = {"Cache-Control": "no-cache, private", "Audit-Id": str(uuid.uuid4())}
    if refusal.code in {429, 503}:
        headers["Retry-After"] = "1"
    body = encode(refusal.status())
    response = web.Response(status=refusal.code, body=body, content_type="application/json", headers=headers)
    for warning in warning_headers(warnings):
        response.headers.add("Warning", warning)
    return response


def include_of(call: Call) -> IncludeObject:
    """Which part of the objects goes into a Table."""
    asked = call.option("includeObject")
    if asked not in _INCLUDES:
        words = f"Invalid value: \"{asked}\": must be 'Metadata', 'Object', 'None', or empty"
        raise bad_request(f"Unable to convert to Table as requested: includeObject: {words}")
    return _INCLUDES[asked]


def as_version(resource: ResourceType, raw: bytes) -> bytes:
    """Stored JSON under the API version of the resource that was asked."""
    if resource.version == resource.storage_version:
        return raw
    stored = f"{resource.group}/{resource.storage_version}" if resource.group else resource.storage_version
    return raw.replace(f'"apiVersion":"{stored}"'.encode(), f'"apiVersion":"{resource.api_version}"'.encode(), 1)


async def object_answer(call: Call, raw: bytes, status: int = 200) -> web.Response:
    """One object."""
    wanted = negotiate(call.request.headers.get("Accept", ""))
    raw = as_version(call.resource, raw)
    if wanted.form == "object" and not wanted.yaml:
        return await _answer(call, raw, wanted, status)
    document = decode(raw).value
    assert isinstance(document, dict)
    if wanted.form == "table":
        version = text(child(document, "metadata"), "resourceVersion")
        list_meta: JsonObject = {"resourceVersion": version} if version else {}
        document = table(call.resource.layout, [document], list_meta, include_of(call), call.api.now())
    elif wanted.form == "partial":
        document = partial(document)
    return await document_answer(call, document, wanted, status)


async def document_answer(call: Call, document: JsonObject, wanted: Wanted, status: int = 200) -> web.Response:
    """A document that is already in its form."""
    body = encode_yaml(document) if wanted.yaml else encode(document)
    return await _answer(call, body, wanted, status)


async def raw_answer(call: Call, body: bytes, wanted: Wanted) -> web.Response:
    """Encoded JSON."""
    return await _answer(call, body, wanted, 200)


async def _answer(call: Call, body: bytes, wanted: Wanted, status: int) -> web.Response:
    headers = {"Cache-Control": "no-cache, private", "Audit-Id": str(uuid.uuid4())}
    request = call.request
    if not wanted.yaml and wants_pretty(request):
        body = pretty(body)
    if len(body) > _GZIP_FROM and "gzip" in request.headers.get("Accept-Encoding", ""):
        body = await asyncio.to_thread(compressed, body)
        headers["Content-Encoding"] = "gzip"
        headers["Vary"] = "Accept-Encoding"
    response = web.Response(status=status, body=body, content_type=wanted.media_type, headers=headers)
    for warning in warning_headers(call.warnings):
        response.headers.add("Warning", warning)
    return response


def warning_headers(warnings: Sequence[str]) -> list[str]:
    """Values of Warning headers (RFC 7234, code 299), for text that may come from a client."""
    clean = ("".join(char for char in one if char.isprintable()) for one in dict.fromkeys(warnings))
    return [f"299 - {json.dumps(one)}" for one in clean]


def wants_pretty(request: web.Request) -> bool:
    """Whether a person reads the answer."""
    asked = request.query.get("pretty", "")
    return asked.lower() in {"1", "true"} or (
        not asked and request.headers.get("User-Agent", "").startswith(_TERMINAL_AGENTS)
    )


def pretty(body: bytes) -> bytes:
    """JSON for eyes."""
    return json.dumps(json.loads(body), indent=2, ensure_ascii=False).encode()


def compressed(body: bytes) -> bytes:
    """The body with gzip."""
    packer = zlib.compressobj(level=1, wbits=31)
    return packer.compress(body) + packer.flush()
