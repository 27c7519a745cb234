"""What the console needs of an API: the port that screens are written against, and the real one behind it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from hypersdk.kube.cache import Cache
from hypersdk.kube.client import Client
from hypersdk.kube.pulse import Beat, Pulse
from hypersdk.kube.watch import Watch
from hypersdk.model.base import JsonObject, Resource
from hypersdk.model.kinds import NAMESPACES, VIRTUAL_MACHINES, Kind
from hypersdk.model.metrics import Sample
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.verbs.verb import Deed, Outcome, Progress, Values

if TYPE_CHECKING:
    from hypersdk.kube.endpoint import Endpoint
    from hypersdk.kube.streams import Trail

R = TypeVar("R", bound=Resource)


class Link(Protocol):
    """An attached serial console: bytes both ways, control words from the far side."""

    def messages(self) -> AsyncIterator[bytes | str]:
        """Bytes and control texts as they come."""
        ...

    async def send(self, data: bytes) -> None:
        """What the person typed."""
        ...

    async def control(self, message: JsonObject) -> None:
        """A control message."""
        ...

    async def close(self) -> None:
        """Detach."""
        ...


class Session(Protocol):
    """One API server with one identity. Calls raise HyperSDKError for a refusal or a lost link."""

    @property
    def host(self) -> str:
        """The API server's address."""
        ...

    @property
    def context(self) -> str:
        """The name of the kubeconfig's context."""
        ...

    @property
    def namespace(self) -> str:
        """The namespace of the context."""
        ...

    def contexts(self) -> list[str]:
        """The contexts of the kubeconfig; ConfigError when it cannot be read any more."""
        ...

    async def watch(self, kind: Kind[R], cache: Cache[R], namespace: str, fields: str = "") -> None:
        """Keep the cache equal to the server's list until cancelled."""
        ...

    async def listen(self) -> None:
        """See to it that no cache says that it is live when the server has fallen silent; until cancelled."""
        ...

    async def do(self, deed: Deed[R], item: R, values: Values, progress: Progress) -> Outcome:
        """Do something to an object; ends when its effect was seen."""
        ...

    async def create(self, namespace: str, vm: JsonObject) -> VirtualMachine:
        """Create a VirtualMachine."""
        ...

    async def namespaces(self) -> list[str]:
        """The namespaces that there are."""
        ...

    def log(self, namespace: str, name: str) -> AsyncIterator[str]:
        """The end of QEMU's log of a VM, and then what is added to it."""
        ...

    def samples(self, namespace: str, name: str) -> AsyncIterator[Sample]:
        """The live figures of a VM, history first."""
        ...

    async def console(self, namespace: str, name: str, trail: "Trail") -> Link:
        """Attach to a console, where the trail ends."""
        ...

    def flags(self) -> list[str]:
        """The flags with which `hyperctl` reaches the same API."""
        ...

    async def close(self) -> None:
        """Hang up."""
        ...


Connect = Callable[[str], Awaitable[Session]]
"""Connects to a context of the kubeconfig; to the one that was asked for at the start when it is empty."""


@dataclass
class LiveSession:
    """The port on a real API server."""

    client: Client
    endpoint: "Endpoint"
    beat: Beat = field(default_factory=Beat)
    _pulse: Pulse = field(init=False)

    def __post_init__(self) -> None:
        self._pulse = Pulse(self.client, self.beat)

    @property
    def host(self) -> str:
        """The API server's address."""
        return self.client.connection.host

    @property
    def context(self) -> str:
        """The name of the kubeconfig's context."""
        return self.client.connection.context.name

    @property
    def namespace(self) -> str:
        """The namespace of the context."""
        return self.client.namespace

    def contexts(self) -> list[str]:
        """The contexts of the kubeconfig."""
        from hypersdk.kube.endpoint import contexts

        return [one.name for one in contexts(self.endpoint)]

    async def watch(self, kind: Kind[R], cache: Cache[R], namespace: str, fields: str = "") -> None:
        """Keep the cache equal to the server's list until cancelled."""
        watch = Watch(self.client, kind, cache, namespace=namespace, fields=fields)
        with self._pulse.over(watch):
            await watch.run()

    async def listen(self) -> None:
        """Ask the server whether it is there while it has nothing to say."""
        await self._pulse.run()

    async def do(self, deed: Deed[R], item: R, values: Values, progress: Progress) -> Outcome:
        """Do something to an object; ends when its effect was seen."""
        return await deed.run(self.client, item, values, progress)

    async def create(self, namespace: str, vm: JsonObject) -> VirtualMachine:
        """Create a VirtualMachine."""
        return await self.client.create(VIRTUAL_MACHINES, namespace, vm)

    async def namespaces(self) -> list[str]:
        """The namespaces that there are."""
        return sorted(one.metadata.name for one in await self.client.list(NAMESPACES))

    async def log(self, namespace: str, name: str) -> AsyncIterator[str]:
        """The end of QEMU's log of a VM, and then what is added to it."""
        from hypersdk.kube.streams import open_log

        async with await open_log(self.client, namespace, name) as stream:
            async for message in stream.messages():
                yield message if isinstance(message, str) else message.decode(errors="replace")

    async def samples(self, namespace: str, name: str) -> AsyncIterator[Sample]:
        """The live figures of a VM, history first."""
        from hypersdk.kube.streams import samples

        async for sample in samples(self.client, namespace, name):
            yield sample

    async def console(self, namespace: str, name: str, trail: "Trail") -> Link:
        """Attach to a console, where the trail ends."""
        from hypersdk.kube.streams import open_console

        return await open_console(self.client, namespace, name, trail=trail)

    def flags(self) -> list[str]:
        """The flags with which `hyperctl` reaches the same API."""
        return ["-kubeconfig", self.endpoint.kubeconfig, "-context", self.context]

    async def close(self) -> None:
        """Hang up."""
        await self.client.close()


async def live_session(endpoint: "Endpoint") -> Session:
    """Connect; ConfigError when the kubeconfig cannot be used. The heavy library is loaded off the event loop."""
    import asyncio

    from hypersdk.kube.endpoint import connect
    from hypersdk.kube.library import load

    await asyncio.to_thread(load)
    return LiveSession(Client(await connect(endpoint)), endpoint)
