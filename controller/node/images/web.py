"""Bytes of an image from a web server or an object store: each hop's address checked, resumed where that can be."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver

from controller.node.finding import NotYet
from controller.node.images.addresses import AddressRefused, AddressRules
from controller.node.images.incoming import IMPORT_FAILED, PIECE, Had, Incoming
from controller.node.images.s3 import signed_url
from controller.node.images.source import Source, check_host
from hypersdk.errors import Terminal

REDIRECTS = 5
_MOVED = frozenset({301, 302, 303, 307, 308})
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
_S3_WORDS = {
    "NoSuchBucket": ("ImageNotFound", "there is no such bucket"),
    "NoSuchKey": ("ImageNotFound", "the bucket has no such key"),
    "AuthorizationQueryParametersError": ("ImageAccessDenied", "the store refuses the account: look at its region"),
    "XAdminUserNotFound": ("ImageAccessDenied", "the store does not know the access key: look at the Secret"),
    "InvalidAccessKeyId": ("ImageAccessDenied", "the store does not know the access key: look at the Secret"),
    "SignatureDoesNotMatch": ("ImageAccessDenied", "the secret key is not that of the access key: look at the Secret"),
    "PermanentRedirect": ("ImageAccessDenied", "the bucket is in another region: set region in the Secret"),
    "AuthorizationHeaderMalformed": ("ImageAccessDenied", "the bucket is in another region: set region in the Secret"),
    "AccessDenied": ("ImageAccessDenied", "these credentials may not read it; image.secretRef names others"),
}
_STATUS_REASONS = {401: "ImageAccessDenied", 403: "ImageAccessDenied", 404: "ImageNotFound", 410: "ImageNotFound"}


@dataclass(frozen=True)
class Patience:
    """How long is waited for a server, in seconds, and how slow it may be."""

    connect: float = 15.0
    silence: float = 60.0
    window: float = 120.0
    """Over so long at least `least_bytes` have to come: a server that drips holds nothing up for ever."""
    least_bytes: int = 128 * 1024


@dataclass(frozen=True)
class Web:
    """Fetches under rules."""

    rules: AddressRules = field(default_factory=AddressRules)
    patience: Patience = field(default_factory=Patience)
    resolver: AbstractResolver | None = None

    @asynccontextmanager
    async def fetch(self, source: Source, had: Had, known: str = "") -> AsyncIterator[Incoming]:
        """Ask for the image, if it is not the one with the known validator any more.

        NotYet when that fails, now or while its bytes come, Terminal where it may not be.
        """
        try:
            async with AsyncExitStack() as stack:
                response = await self._answer(stack, source, _range(had) | _unless(known))
                if response.status == 206 and not _continues(response, had):
                    # Not every server minds If-Range: it is another image by now, or another part of it.
                    response = await self._answer(stack, source, {})
                yield _incoming(response, self._pieces(response, source))
        except aiohttp.InvalidURL as error:
            raise Terminal("ImageSourceUnsupported", f"image {source.words} is no URL that can be asked for") from error
        except aiohttp.ClientConnectorError as error:
            if AddressRefused.WORDS in str(error):
                # Of several failed addresses the library keeps the words alone.
                raise Terminal(
                    "ImageNotAllowed", f"image {source.words}: {error.os_error.strerror or error}"
                ) from error
            raise NotYet(IMPORT_FAILED, f"image {source.words}: {error}") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NotYet(IMPORT_FAILED, f"image {source.words}: {error or type(error).__name__}") from error

    async def _answer(self, stack: AsyncExitStack, source: Source, asked: dict[str, str]) -> aiohttp.ClientResponse:
        connector = aiohttp.TCPConnector(
            resolver=self.resolver, use_dns_cache=False, socket_factory=self.rules.open_socket, force_close=True
        )
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self.patience.connect, sock_read=self.patience.silence)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)
        )
        url = signed_url(source.url, source.keys) if source.keys is not None else source.url
        headers = {"Accept-Encoding": "identity"} | asked
        for _ in range(REDIRECTS + 1):
            async with asyncio.timeout(self.patience.silence):
                response = await stack.enter_async_context(session.get(url, allow_redirects=False, headers=headers))
            if response.status not in _MOVED or "Location" not in response.headers:
                await _check_status(response, source)
                return response
            url = _next(url, response, source)
        raise NotYet(IMPORT_FAILED, f"image {source.words}: more than {REDIRECTS} redirects")

    async def _pieces(self, response: aiohttp.ClientResponse, source: Source) -> AsyncIterator[bytes]:
        clock, patience = asyncio.get_running_loop().time, self.patience
        since, count = clock(), 0
        async for piece in response.content.iter_chunked(PIECE):
            yield piece
            count += len(piece)
            if clock() - since >= patience.window:
                if count < patience.least_bytes:
                    words = f"{count} bytes in {patience.window:.0f} s: the server is too slow"
                    raise NotYet(IMPORT_FAILED, f"image {source.words}: {words}")
                since, count = clock(), 0


def _range(had: Had) -> dict[str, str]:
    """Only with what tells that it is still the same image."""
    return {"Range": f"bytes={had.count}-", "If-Range": had.validator} if had.count and had.validator else {}


def _unless(known: str) -> dict[str, str]:
    if not known:
        return {}
    return {"If-None-Match": known} if known.startswith('"') else {"If-Modified-Since": known}


def _continues(response: aiohttp.ClientResponse, had: Had) -> bool:
    found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return found is not None and int(found[1]) == had.count and _validator(response) == had.validator


def _incoming(response: aiohttp.ClientResponse, pieces: AsyncIterator[bytes]) -> Incoming:
    found = _RANGE.fullmatch(response.headers.get("Content-Range", "")) if response.status == 206 else None
    if found is None:
        same = response.status == 304
        return Incoming(pieces, response.content_length, 0, _validator(response), unchanged=same)
    return Incoming(pieces, int(found[2]), int(found[1]), _validator(response))


def _validator(response: aiohttp.ClientResponse) -> str:
    """A strong entity tag, else the date (RFC 9110, 13.1.5)."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")


async def _check_status(response: aiohttp.ClientResponse, source: Source) -> None:
    asked = response.request_info.headers
    is_known = "If-None-Match" in asked or "If-Modified-Since" in asked
    if response.status == 200 or (response.status == 206 and "Range" in asked) or (response.status == 304 and is_known):
        return
    reason = _STATUS_REASONS.get(response.status, IMPORT_FAILED)
    words = f"the server says {response.status}"
    if source.keys is not None:
        start = (await response.content.read(4096)).decode(errors="replace")
        code = re.search(r"<Code>(\w{1,60})</Code>", start)
        reason, words = _S3_WORDS.get(code[1] if code else "", (reason, f"{words} {code[1] if code else ''}".strip()))
    raise NotYet(reason, f"image {source.words}: {words}", 30.0)


def _next(url: str, response: aiohttp.ClientResponse, source: Source) -> str:
    try:
        target = urljoin(url, response.headers["Location"])
        scheme = urlsplit(target).scheme
    except ValueError as error:
        raise NotYet(IMPORT_FAILED, f"image {source.words}: it redirects to no URL: {error}") from error
    if scheme not in {"http", "https"}:
        raise Terminal("ImageNotAllowed", f"image {source.words}: it redirects to something that is not on the web")
    if urlsplit(url).scheme == "https" and scheme != "https":
        raise Terminal("ImageNotAllowed", f"image {source.words}: it redirects from https to http")
    check_host(target)
    return target
