"""A gateway on a unix socket, and clients of it as the API server would name them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from controller.gateway.access import Caller, Wish
from controller.gateway.consoles import Consoles
from controller.gateway.portforward import Dial, dial_guest
from controller.gateway.sampler import Sampler
from controller.gateway.server import Gateway, UnixListener
from controller.gateway.streams import Streams
from controller.gateway.targets import Target
from hypersdk.kube.client import Client
from hypersdk.kube.endpoint import Connection, Context
from hypersdk.kube.streams import ConsoleState, Stream, Trail, console_state
from tests.unit.gateway.scripted import UUID, ScriptedHost

NODE = "node-1"


class FrontProxy(Connection):
    """Asks the gateway's socket in somebody's name, as an API server does."""

    def __init__(self, path: Path, user: str) -> None:
        self.context = Context("test", "default", "test")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(str(path)),
            headers={"X-Remote-User": user, "X-Remote-Group": "system:authenticated"} if user else {},
        )

    @property
    def host(self) -> str:
        return "http://gateway"

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        body: object = None,
        content_type: str = "application/json",
        timeout: "aiohttp.ClientTimeout | float | None" = None,
    ) -> aiohttp.ClientResponse:
        return await self._session.request(method, self.host + path, params=list(query))

    async def websocket(
        self, path: str, query: Sequence[tuple[str, str]] = (), protocols: Sequence[str] = ()
    ) -> aiohttp.ClientWebSocketResponse:
        return await self._session.ws_connect(self.host + path, params=list(query), heartbeat=20)

    async def close(self) -> None:
        await self._session.close()


@dataclass
class Rights:
    """Who may do what, in a test: everything unless it is denied."""

    denied: set[tuple[str, str]] = field(default_factory=set)
    """(user, verb)."""
    asked: list[tuple[Caller, Wish]] = field(default_factory=list)

    async def allows(self, caller: Caller, wish: Wish) -> bool:
        self.asked.append((caller, wish))
        return (caller.user, wish.verb) not in self.denied


@dataclass
class Lab:
    """A running gateway with its parts."""

    host: ScriptedHost
    consoles: Consoles
    sampler: Sampler
    rights: Rights
    targets: dict[tuple[str, str], Target]
    streams: Streams
    socket: Path
    clock: "Clock"
    _clients: list[Client] = field(default_factory=list)

    def client(self, user: str = "alice") -> Client:
        """A client that the API server knows as `user`."""
        client = Client(FrontProxy(self.socket, user))
        self._clients.append(client)
        return client

    async def close(self) -> None:
        """Close the clients."""
        for client in self._clients:
            await client.close()


@dataclass
class Clock:
    """A clock that a test sets."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def running(folder: Path, host: ScriptedHost, dial: Dial = dial_guest) -> AsyncIterator[Lab]:
    """A gateway that serves `default/vm` of `host`, until the block ends."""
    clock, rights = Clock(), Rights()
    consoles, sampler = Consoles(host, clock=clock, log_of=host.log_of), Sampler(host, clock=clock)
    targets = {("default", "vm"): Target(UUID, NODE, ("192.0.2.7",))}
    streams = Streams(NODE, lambda ns, name: targets.get((ns, name)), host, consoles, sampler, rights, dial=dial)
    gateway = Gateway(streams, [UnixListener(folder / "gateway.sock")])
    lab = Lab(host, consoles, sampler, rights, targets, streams, folder / "gateway.sock", clock)
    async with background(consoles.run, gateway.run):
        await gateway.ready.wait()
        try:
            yield lab
        finally:
            await lab.close()


@asynccontextmanager
async def background(*runs: Callable[[], "asyncio._CoroutineLike[None]"]) -> AsyncIterator[None]:
    """Run these beside the block."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run()) for run in runs]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


class Screen:
    """Everything that came over one console's stream; reads in the background of the test's own waits."""

    def __init__(self, stream: Stream, trail: Trail | None = None) -> None:
        self._messages = stream.messages()
        self._trail = trail or Trail()
        self.output = b""
        self.states: list[ConsoleState] = []

    @property
    def state(self) -> ConsoleState:
        """The newest state."""
        return self.states[-1]

    async def until(self, condition: Callable[["Screen"], bool], seconds: float = 20) -> "Screen":
        """Read until the condition holds."""
        try:
            async with asyncio.timeout(seconds):
                while not (self.states and condition(self)):
                    await self._next()
        except TimeoutError as error:
            raise AssertionError(f"{self.states[-1:]} {self.output[-400:]!r}") from error
        return self

    async def shows(self, text: bytes, seconds: float = 20) -> "Screen":
        """Read until the output has that."""
        return await self.until(lambda screen: text in screen.output, seconds)

    async def says(self, reason: str, seconds: float = 20) -> "Screen":
        """Read until the state gives that reason."""
        return await self.until(lambda screen: reason in screen.state.reason, seconds)

    async def end(self, seconds: float = 20) -> "Screen":
        """Read until the stream ends."""
        async with asyncio.timeout(seconds):
            async for message in self._messages:
                self._add(message)
        return self

    async def _next(self) -> None:
        self._add(await anext(self._messages))

    def _add(self, message: bytes | str) -> None:
        if isinstance(message, bytes):
            self.output += message
            self._trail.output(message)
        elif (state := console_state(message)) is not None:
            self.states.append(state)
            self._trail.state(state)
