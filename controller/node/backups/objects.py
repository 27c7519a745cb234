"""Backups in an object store: each object one PUT under a signed URL, so that there are no halves to clear away."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import aiohttp

from controller.node.backups.store import ACCESS_DENIED, DESTINATION, NOT_FOUND, Content
from controller.node.images.addresses import AddressRefused, AddressRules
from controller.node.images.s3 import Keys, signed_url
from hypersdk.errors import Terminal, Transient

_CONNECT_S, _SILENCE_S, _OBJECT_S = 15.0, 60.0, 1800.0
"""For one object: a store that takes 64 MiB more slowly is not one to back up to."""
_WRITTEN = 1 << 20
_WORDS: Mapping[str, tuple[str, str]] = {
    "NoSuchBucket": ("BucketNotFound", "there is no such bucket"),
    "NoSuchKey": (NOT_FOUND, "it is not there"),
    "AuthorizationQueryParametersError": (ACCESS_DENIED, "the store refuses the account: look at its region"),
    "XAdminUserNotFound": (ACCESS_DENIED, "the store does not know the access key: look at the Secret"),
    "InvalidAccessKeyId": (ACCESS_DENIED, "the store does not know the access key: look at the Secret"),
    "SignatureDoesNotMatch": (ACCESS_DENIED, "the secret key is not that of the access key: look at the Secret"),
    "PermanentRedirect": (ACCESS_DENIED, "the bucket is in another region: set destination.region"),
    "AuthorizationHeaderMalformed": (ACCESS_DENIED, "the bucket is in another region: set destination.region"),
    "AccessDenied": (ACCESS_DENIED, "these credentials may not do that; credentials.secretRef names others"),
}
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")


@dataclass
class ObjectStore:
    """One bucket."""

    bucket: str
    keys: Keys
    rules: AddressRules = field(default_factory=AddressRules)
    _session: aiohttp.ClientSession | None = None

    @property
    def words(self) -> str:
        """How a message names it."""
        return f"s3://{self.bucket}"

    async def put(self, key: str, data: Content) -> None:
        """Write an object."""
        await self._ask("PUT", key, data)

    async def get(self, key: str, most: int) -> bytes:
        """An object of at most that size, and a byte more of a larger one."""
        return await self._ask("GET", key, most=most)

    async def delete(self, key: str) -> None:
        """Remove an object."""
        try:
            await self._ask("DELETE", key)
        except Terminal as error:
            if error.reason != NOT_FOUND:
                raise

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _ask(
        self, method: Literal["GET", "PUT", "DELETE"], key: str, data: Content | None = None, most: int = 0
    ) -> bytes:
        words = f"{self.words}/{key}"
        # Without its length it would be sent in chunks, which stores do not take.
        body, headers = (None, None) if data is None else (_slowly(data), {"Content-Length": str(len(data))})
        try:
            url = signed_url(words, self.keys, method)
            session = self._connected()
            async with session.request(method, url, data=body, headers=headers, allow_redirects=False) as response:
                if response.status >= 300:
                    raise _refusal(response.status, await response.content.read(4096), words)
                return await _read(response.content, most) if method == "GET" else b""
        except aiohttp.InvalidURL as error:
            # Without its words, which have the signature.
            raise Terminal(DESTINATION, f"{words} is nothing that can be asked for") from error
        except aiohttp.ClientConnectorError as error:
            if AddressRefused.WORDS in str(error):
                raise Terminal(DESTINATION, f"{words}: the store is at an address that may not be used") from error
            raise Transient(f"{words}: {error}") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Transient(f"{words}: {error or type(error).__name__}") from error

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(use_dns_cache=False, socket_factory=self.rules.open_socket)
            timeout = aiohttp.ClientTimeout(total=_OBJECT_S, sock_connect=_CONNECT_S, sock_read=_SILENCE_S)
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)
        return self._session


async def _slowly(data: Content) -> AsyncIterator[memoryview]:
    """By pieces: one write of all of it would be copied whole, while everybody else on the loop waits."""
    for at in range(0, len(data), _WRITTEN):
        yield memoryview(data)[at : at + _WRITTEN]


async def _read(content: aiohttp.StreamReader, most: int) -> bytes:
    kept = bytearray()
    async for piece in content.iter_chunked(1 << 20):
        kept += piece
        if len(kept) > most:
            break
    return bytes(kept)


def _refusal(status: int, body: bytes, words: str) -> Transient | Terminal:
    found = _CODE.search(body.decode(errors="replace"))
    code = found[1] if found else ""
    if code in _WORDS:
        reason, told = _WORDS[code]
        return Terminal(reason, f"{words}: {told}")
    told = f"{words}: the store says {status} {code}".rstrip()
    if status in {401, 403}:
        return Terminal(ACCESS_DENIED, told)
    return Terminal(NOT_FOUND, told) if status == 404 else Transient(told)
