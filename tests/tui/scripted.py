"""A session behind the console's own port: the test says what the API knows, and reads what was asked of it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TypeVar

from hypersdk.errors import HyperSDKError
from hypersdk.kube.cache import Cache
from hypersdk.kube.streams import Trail
from hypersdk.model.base import JsonObject, Resource
from hypersdk.model.kinds import VIRTUAL_MACHINES, Kind
from hypersdk.model.metrics import Sample
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.verbs.verb import Deed, Outcome, Progress, Values
from tui.session import Link

R = TypeVar("R", bound=Resource)


@dataclass
class ScriptedLink:
    """A console whose guest says what the test puts in."""

    heard: asyncio.Queue[bytes | str | None] = field(default_factory=asyncio.Queue)
    typed: bytearray = field(default_factory=bytearray)
    controls: list[JsonObject] = field(default_factory=list)
    echoes: bool = False
    """Whether what is typed comes back, as a guest's tty sends it."""

    async def messages(self) -> AsyncIterator[bytes | str]:
        """What the test says, until it hangs up."""
        while (message := await self.heard.get()) is not None:
            yield message

    async def send(self, data: bytes) -> None:
        """Remember."""
        self.typed += data
        if self.echoes:
            self.heard.put_nowait(data.replace(b"\r", b"\r\n"))

    async def control(self, message: JsonObject) -> None:
        """Remember."""
        self.controls.append(message)

    async def close(self) -> None:
        """Nothing to close."""


@dataclass
class ScriptedSession:
    """The port, filled by hand."""

    host: str = "https://127.0.0.1:6443"
    context: str = "embedded"
    namespace: str = "default"
    caches: dict[tuple[str, str], Cache[Resource]] = field(default_factory=dict)
    objects: list[Resource] = field(default_factory=list)
    done: list[tuple[str, str, dict[str, str | int | bool]]] = field(default_factory=list)
    created: list[tuple[str, JsonObject]] = field(default_factory=list)
    refusal: HyperSDKError | None = None
    samples_refusal: HyperSDKError | None = None
    link_refusal: HyperSDKError | None = None
    outcome: Outcome = field(default_factory=lambda: Outcome(True, "done"))
    figures: list[Sample] = field(default_factory=list)
    link: ScriptedLink = field(default_factory=ScriptedLink)
    log_texts: list[str] = field(default_factory=list)
    devices: list[str] = field(default_factory=list)
    """Which consoles were attached to, in order."""
    answers: bool = True
    """Whether lists are answered at all; a server that does not leaves the caches loading."""
    places: list[str] = field(default_factory=lambda: ["default", "prod", "staging"])
    """The namespaces that there are."""
    places_known: asyncio.Event | None = None
    """The namespaces are answered once this is set, where it is given."""
    lost: dict[str, str] = field(default_factory=dict)
    """The namespaces that the API answers no more about, with the words; also to watches that begin later."""

    def cache(self, kind: Kind[Resource], namespace: str = "default") -> Cache[Resource]:
        """The cache that the console watches."""
        return self.caches[kind.plural, namespace]

    def put(self, *items: Resource, namespace: str = "default") -> None:
        """The API has these now."""
        for item in items:
            kind = next(plural for plural, _ in self.caches if plural == f"{item.kind.lower()}s")
            self.caches[kind, namespace].put([item])

    def lose(self, words: str, namespace: str = "default") -> None:
        """The API answers no more."""
        self.lost[namespace] = words
        for (_, where), cache in self.caches.items():
            if where == namespace:
                cache.lost(words)

    def find(self, namespace: str = "default") -> None:
        """The API answers again."""
        self.lost.pop(namespace, None)
        for (_, where), cache in self.caches.items():
            if where == namespace:
                cache.live(asyncio.get_running_loop().time())

    def contexts(self) -> list[str]:
        """Two."""
        return ["embedded", "prod-cluster"]

    async def watch(self, kind: Kind[R], cache: Cache[R], namespace: str, fields: str = "") -> None:
        """Fill the cache once and leave the rest to the test."""
        self.caches[kind.plural, namespace] = cache  # type: ignore[assignment]
        mine = [one for one in self.objects if isinstance(one, kind.model)]
        if words := self.lost.get(namespace):
            cache.lost(words)
        elif self.answers:
            cache.put(one for one in mine if namespace in {"", one.metadata.namespace})
            cache.live(asyncio.get_running_loop().time())
        await asyncio.Event().wait()

    async def listen(self) -> None:
        """Nobody falls silent unless the test has it so."""
        await asyncio.Event().wait()

    async def do(self, deed: Deed[R], item: R, values: Values, progress: Progress) -> Outcome:
        """Remember what was asked for."""
        self.done.append((deed.id, item.metadata.name, dict(values)))
        if self.refusal is not None:
            raise self.refusal
        progress(50, "half way")
        return self.outcome

    async def create(self, namespace: str, vm: JsonObject) -> VirtualMachine:
        """Remember, and show it in the list."""
        if self.refusal is not None:
            raise self.refusal
        self.created.append((namespace, vm))
        made = VirtualMachine.model_validate({"kind": "VirtualMachine"} | vm)
        made = made.but(metadata=made.metadata.but(namespace=namespace, uid="new"))
        self.cache(VIRTUAL_MACHINES, namespace).put([made])
        return made

    async def namespaces(self) -> list[str]:
        """Those that there are, when the test lets them be known."""
        if self.places_known is not None:
            await self.places_known.wait()
        return self.places

    async def log(self, namespace: str, name: str) -> AsyncIterator[str]:
        """The lines, then silence."""
        for text in self.log_texts:
            yield text
        await asyncio.Event().wait()

    async def samples(self, namespace: str, name: str) -> AsyncIterator[Sample]:
        """The figures, one message after the other, then silence."""
        if self.samples_refusal is not None:
            raise self.samples_refusal
        for figure in self.figures:
            await asyncio.sleep(0)
            yield figure
        await asyncio.Event().wait()

    def flags(self) -> list[str]:
        """None."""
        return []

    async def console(self, namespace: str, name: str, trail: Trail) -> Link:
        """The one link."""
        if self.link_refusal is not None:
            raise self.link_refusal
        self.devices.append(trail.device)
        return self.link

    async def close(self) -> None:
        """Nothing to close."""
