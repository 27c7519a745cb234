"""The embedded API inside the test's own process, over plain HTTP on loopback."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from aiohttp import web

from apiserver.gateway import Gateway
from apiserver.handlers.call import Api
from apiserver.lifecycle.bootstrap import bootstrap
from apiserver.lifecycle.internal import Own
from apiserver.lifecycle.keeper import Keeper
from apiserver.patience import Patience
from apiserver.registry.builtin import builtin_resources
from apiserver.registry.catalogue import Catalogue
from apiserver.server import Server
from apiserver.storage.database import Database
from apiserver.storage.store import Store
from apiserver.storage.stored import Change
from hypersdk.model.base import JsonObject

TOKEN = "secret"
THINGS = "/apis/test.io/v1/namespaces/default/things"
DEFINITION: JsonObject = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.test.io"},
    "spec": {
        "group": "test.io",
        "scope": "Namespaced",
        "names": {"plural": "things", "kind": "Thing"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0}}},
                            "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
                        },
                    }
                },
            }
        ],
    },
}


@dataclass(frozen=True)
class Answer:
    """An HTTP answer with its JSON."""

    code: int
    body: JsonObject


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    moment: datetime = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment


@dataclass
class Running:
    """A running server."""

    store: Store
    session: aiohttp.ClientSession
    keeper: Keeper
    clock: Clock
    port: int
    accepted: list[Patience]
    """What stands before each connection."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.store.listen(self._wake)

    def _wake(self, _: Change) -> None:
        self._changed.set()

    async def call(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """One request as the administrator."""
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
        async with self.session.request(method, path, data=data, headers=headers) as response:
            text = await response.text()
            return Answer(response.status, json.loads(text) if text.startswith("{") else {"text": text})

    async def merge(self, path: str, patch: JsonObject) -> Answer:
        """A merge patch."""
        return await self.call("PATCH", path, patch, Content_Type="application/merge-patch+json")

    async def until(self, wanted: Callable[[], bool]) -> None:
        """Wait until the stored state is as wanted."""
        async with asyncio.timeout(5):
            while not wanted():
                await self._changed.wait()
                self._changed.clear()


def thing(name: str, **metadata: object) -> JsonObject:
    """A Thing."""
    meta = {"name": name} | metadata
    return {"apiVersion": "test.io/v1", "kind": "Thing", "metadata": json.loads(json.dumps(meta)), "spec": {"n": 1}}


@asynccontextmanager
async def serving(
    folder: Path, socket: Path | None = None, definitions: Sequence[JsonObject] = (DEFINITION,)
) -> AsyncIterator[Running]:
    """A server on the folder, with `things.test.io` defined, or what is given."""
    clock = Clock()
    store = Store(Database(folder / "objects.db"), asyncio.get_running_loop())
    gateway = Gateway(socket)
    own = Own(store, Catalogue(builtin_resources()), clock)
    keeper = Keeper(own)
    keeper.begin()
    await bootstrap(own, json.loads(json.dumps(definitions)))
    runner = web.AppRunner(Server(Api(store, own.catalogue, clock), gateway, TOKEN).application(), access_log=None)
    await runner.setup()
    answering = runner.server
    assert answering is not None
    accepted: list[Patience] = []

    def accept() -> Patience:
        accepted.append(Patience(answering()))
        return accepted[-1]

    accepting = await asyncio.get_running_loop().create_server(accept, "127.0.0.1", 0)
    port = accepting.sockets[0].getsockname()[1]
    keeping = asyncio.create_task(keeper.run())
    try:
        async with aiohttp.ClientSession(
            f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {TOKEN}"}
        ) as session:
            yield Running(store, session, keeper, clock, port, accepted)
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping
        accepting.close()
        store.cut_watches()
        await runner.cleanup()
        await gateway.close()
        store.close()
