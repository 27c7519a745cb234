"""Plain HTTP to an API server, for what a typed client never shows: codes, Status bodies, media types, streams."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from pydantic import JsonValue

from hypersdk.kube.watch import hang_up
from hypersdk.model.base import JsonObject
from tests.api.builders import at
from tests.controlplane.api import Api


@dataclass(frozen=True)
class Answer:
    """One answer whose body is JSON."""

    code: int
    body: JsonValue
    headers: Mapping[str, str]

    def at(self, *path: str | int) -> JsonValue:
        """What stands at that path of the body."""
        return at(self.body, *path)


@dataclass(frozen=True)
class Stream:
    """A running watch."""

    response: aiohttp.ClientResponse

    async def event(self, seconds: float = 20) -> JsonObject:
        """The next event; TimeoutError when none comes, EOFError when the server has ended the stream."""
        async with asyncio.timeout(seconds):
            line = await self.response.content.readline()
        if not line:
            raise EOFError("the watch is over")
        event: JsonObject = json.loads(line)
        return event

    async def happened(self) -> tuple[JsonValue, JsonValue]:
        """The type and the object's name of the next event."""
        event = await self.event()
        return event["type"], at(event, "object", "metadata", "name")


@dataclass(frozen=True)
class Http:
    """Requests as a bearer of one token."""

    session: aiohttp.ClientSession
    url: str

    async def __call__(
        self, method: str, path: str, *, body: object = None, query: Mapping[str, str] | None = None, **headers: str
    ) -> Answer:
        """One request; header names are given with underscores."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        async with self.session.request(method, self.url + path, data=data, params=query, headers=sent) as response:
            raw = await response.read()
            return Answer(response.status, _json(raw), response.headers)

    @asynccontextmanager
    async def watch(self, path: str, **query: str) -> AsyncIterator[Stream]:
        """A watch request that goes on for as long as the block."""
        async with self.session.get(self.url + path, params={"watch": "1", **query}) as response:
            try:
                yield Stream(response)
            finally:
                hang_up(response)


@asynccontextmanager
async def http(api: Api, token: str | None = None) -> AsyncIterator[Http]:
    """As the administrator, or as whoever has that token."""
    trust = ssl.create_default_context(cafile=str(api.ca))
    headers = {"Authorization": f"Bearer {api.token if token is None else token}"}
    connector = aiohttp.TCPConnector(ssl=trust)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        yield Http(session, api.url)


def _json(raw: bytes) -> JsonValue:
    try:
        value: JsonValue = json.loads(raw)
    except ValueError:
        return raw.decode(errors="replace")
    return value
