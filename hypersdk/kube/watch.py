"""Our own list-watch loop: pages, bookmarks, 410, back-off with jitter, inactivity limit.

Kubernetes: API concepts, "Efficient detection of changes".
"""

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from pydantic import ValidationError
from pydantic_core import from_json

from hypersdk.backoff import spread
from hypersdk.errors import ApiError, Gone, Unreachable
from hypersdk.kube.cache import Cache, Health, Key
from hypersdk.kube.causes import cause
from hypersdk.kube.client import Client, error_of, unmanaged
from hypersdk.model.base import JsonObject, Resource
from hypersdk.model.kinds import Kind

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T", bound=Resource)
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pace:
    """The loop's times in seconds."""

    first_retry: float = 0.2
    longest_retry: float = 15.0
    inactivity: float = 90.0
    """Without a byte for this long the connection counts as dead; servers send a bookmark about every minute."""


@dataclass
class Watch(Generic[T]):
    """Keeps a cache equal to the server's list until cancelled; errors only make it stale."""

    client: Client
    kind: Kind[T]
    cache: Cache[T]
    namespace: str = ""
    labels: str = ""
    fields: str = ""
    pace: Pace = Pace()
    chance: Callable[[], float] = random.random
    _heard: int = field(default=0, init=False)
    _under_way: asyncio.Timeout | None = field(default=None, init=False)
    """The watch request that goes on; it can be given up at any moment."""
    _asked: float = field(default=0.0, init=False)
    """When it was sent (loop time)."""
    _silence: str = field(default="", init=False)
    """Why it was given up, if it was."""
    _version: str = field(default="", init=False)
    """Up to where the cache is known to be complete; empty when it has to be listed (again)."""

    async def run(self) -> None:
        """List and watch for ever; what ends in vain again and again is tried at ever longer intervals."""
        clock = asyncio.get_running_loop().time
        in_vain = 0
        while True:
            began, heard, pause = clock(), self._heard, 0.0
            self.cache.watches += 1
            try:
                self._version = self._version or await self._list()
                async with self._following():
                    await self._follow()
            except Gone:
                self._version = ""
            except (ApiError, Unreachable) as error:
                if _blames_version(error):
                    self._version = ""
                pause = error.retry_after if isinstance(error, ApiError) else 0.0
                self.cache.lost(str(error))
            if self._heard > heard or clock() - began > self.pace.longest_retry:
                in_vain = 0
            await asyncio.sleep(max(pause, self._delay(in_vain)))
            in_vain += 1

    def begin_from(self, written: T) -> None:
        """Spare the first list: of the one object that is watched this is the answer to a write, and watching goes on
        from its version (Kubernetes: API concepts, "resourceVersion in metadata")."""
        self.cache.put([written])
        self._version = written.metadata.resource_version
        self.cache.live(asyncio.get_running_loop().time())

    @property
    def is_following(self) -> bool:
        """Whether a watch request goes on, rather than a list or a pause."""
        return self._under_way is not None

    def has_hung(self, seconds: float) -> bool:
        """Whether the request has got no answer at all for so long."""
        is_late = asyncio.get_running_loop().time() - self._asked > seconds
        return self.is_following and self.cache.health is not Health.LIVE and is_late

    def cut(self, words: str) -> None:
        """Give the watch request up, as the server has fallen silent: the cache is stale until another is answered."""
        if self._under_way is not None:
            self._silence = words
            self._under_way.reschedule(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def _following(self) -> AsyncIterator[None]:
        """Unreachable in place of what is under way, once somebody gives it up."""
        self._silence, self._asked = "", asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(None) as self._under_way:
                yield
        except TimeoutError as error:
            raise Unreachable(self._silence) from error
        finally:
            self._under_way = None

    def _delay(self, failures: int) -> float:
        return spread(self.pace.first_retry, self.pace.longest_retry, failures, self.chance)

    def _selectors(self) -> list[tuple[str, str]]:
        pairs = [("labelSelector", self.labels), ("fieldSelector", self.fields)]
        return [(name, value) for name, value in pairs if value]

    async def _list(self) -> str:
        """Fill the cache page by page; the version to watch from."""
        keys: set[Key] = set()
        version = ""
        pages = self.client.pages(self.kind, self.namespace, query=self._selectors(), lean=True)
        async with aclosing(pages):
            async for page in pages:
                keys |= {item.key for item in page.items}
                version = page.resource_version
                self.cache.put(page.items)
        self.cache.keep_only(keys)
        self.cache.lists += 1
        self.cache.live(asyncio.get_running_loop().time())
        return version

    async def _follow(self) -> None:
        """One watch request from the version reached so far, however it ends."""
        async for event in self._events():
            self._heard += 1
            self._version = self._take(event) or self._version
            self.cache.live(asyncio.get_running_loop().time())

    def _take(self, event: JsonObject) -> str:
        """Put one watch event into the cache; the version that it brings."""
        obj = cast("JsonObject", event["object"])
        match event.get("type"):
            case "ERROR":
                raise error_of(cast("int", obj.get("code", 500)), json.dumps(obj).encode())
            case "BOOKMARK":
                return str(cast("JsonObject", obj["metadata"]).get("resourceVersion", ""))
            case "DELETED":
                item = Resource.model_validate(obj)
                self.cache.drop(item.key)
                return item.metadata.resource_version
        try:
            new = self.kind.model.model_validate(unmanaged(obj))
        except ValidationError as error:
            log.warning("skipped an unreadable %s: %s", self.kind.kind, error)
            return Resource.model_validate(obj).metadata.resource_version
        self.cache.put([new])
        return new.metadata.resource_version

    async def _events(self) -> AsyncIterator[JsonObject]:
        """Events of one watch request, until the server ends it."""
        import aiohttp

        query = [
            ("watch", "1"),
            ("resourceVersion", self._version),
            ("allowWatchBookmarks", "true"),
            *self._selectors(),
        ]
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=self.pace.inactivity)
        response = await self.client.connection.request(
            "GET", self.kind.path(self.namespace), query=query, timeout=timeout
        )
        async with response:
            if response.status >= 400:
                retry_after = response.headers.get("Retry-After", "")
                raise error_of(response.status, await response.read(), retry_after)
            self.cache.live(asyncio.get_running_loop().time())
            try:
                async for line in _lines(response, self.client.connection.host):
                    yield _event(line, self.client.connection.host)
            finally:
                hang_up(response)


def _blames_version(error: ApiError | Unreachable) -> bool:
    """Whether a server may mean the version that it was asked to go on from: nonsense to it, or of the future."""
    return isinstance(error, ApiError) and error.code in {400, 422, 504}


def _event(line: bytes, host: str) -> JsonObject:
    """One watch event; whoever sends anything else is not the API server."""
    try:
        event = from_json(line)
    except ValueError as error:
        raise Unreachable(f"the watch on {host} brought something else than events: {error}") from error
    if not isinstance(event, dict) or not isinstance(event.get("object"), dict):
        raise Unreachable(f"the watch on {host} brought something else than events")
    return event


async def _lines(response: "aiohttp.ClientResponse", host: str) -> AsyncIterator[bytes]:
    """Whole lines of a streamed body, of any length; a torn connection is Unreachable."""
    import aiohttp

    rest = b""
    try:
        async for chunk in response.content.iter_any():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if line.strip():
                    yield line
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Unreachable(f"the watch on {host} broke off: {cause(error)}") from error


def hang_up(response: "aiohttp.ClientResponse") -> None:
    """Leave a stream that still goes on; closing it politely would wait for the server's own TLS goodbye."""
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()
