"""What does each subresource of a VM answer: console, vnc, metrics, log, screenshot, portforward?"""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import cast

from aiohttp import WSMsgType, web
from aiohttp.typedefs import Handler

from controller.gateway import audit
from controller.gateway.access import Access, Verb
from controller.gateway.audit import Visit
from controller.gateway.console import Console
from controller.gateway.consoles import DEVICES, Consoles
from controller.gateway.door import Door
from controller.gateway.hop import Hop
from controller.gateway.marks import Mark
from controller.gateway.portforward import Dial, dial_guest, either, forward
from controller.gateway.query import bad, choice, number, wants_socket
from controller.gateway.rfb import Gate
from controller.gateway.sampler import Sampler
from controller.gateway.session import Guest, Session
from controller.gateway.sockets import MOST_OPEN, Sockets, send_all, until_gone
from controller.gateway.targets import Lookup, Residents, Target, elsewhere
from controller.gateway.text_log import follow
from controller.hypervisor.port import ConsoleDevice, Hypervisor
from hypersdk.errors import ApiError, NotFound
from hypersdk.kube.streams import ConsoleState, Device, Mode, SubResource, stream_path
from hypersdk.model.diskchain import DiskChains
from hypersdk.model.metrics import Metrics

LONGEST_CONTROL = 1024
MOST_LOG_LINES = 10_000
LOG_SOURCES = ("qemu", *DEVICES)


class Elsewhere(ApiError):
    """503: the VM is on another node; it is known by then that the caller may."""

    def __init__(self, visit: Visit, target: Target, node_name: str) -> None:
        error = elsewhere(f"VM {visit.wish.namespace}/{visit.wish.name}", target, node_name)
        super().__init__(str(error), error.code, error.reason)
        self.visit = visit
        self.target = target


@dataclass
class Streams:
    """The streams of one node's VMs."""

    node_name: str
    lookup: Lookup
    hypervisor: Hypervisor
    consoles: Consoles
    sampler: Sampler
    access: Access
    allowed_names: frozenset[str] = frozenset()
    """Common names of the front proxies that may call over TLS; empty: any with a certificate of the client CA."""
    dial: Dial = dial_guest
    most_open: int = MOST_OPEN
    chains: Callable[[str], Awaitable[DiskChains]] | None = None
    """Tells of the files of a VM's disks, by its uid."""
    hop: Hop | None = None
    """The way to the VMs of other nodes; none where there is but one."""
    sockets: Sockets = field(init=False)
    residents: Residents = field(init=False)
    """Wants to be told of each change of a VM."""

    def __post_init__(self) -> None:
        self.sockets = Sockets(self.most_open)
        self.residents = Residents(self.node_name, self.lookup)
        self._door = Door(self.lookup, self.access, self.allowed_names)

    def routes(self) -> list[web.RouteDef]:
        """A route for each subresource."""
        answers: dict[SubResource, Handler] = {
            "console": self.console,
            "vnc": self.vnc,
            "metrics": self.metrics,
            "log": self.log,
            "screenshot": self.screenshot,
            "portforward": self.portforward,
            "disks": self.disks,
        }
        paths = {stream_path("{namespace}", "{name}", name): answer for name, answer in answers.items()}
        return [web.get(path, self._here_or_there(answer)) for path, answer in paths.items()]

    async def close(self) -> None:
        """Let every client go, with a word that this is not an error."""
        await self.sockets.close()
        if self.hop is not None:
            await self.hop.close()

    def _here_or_there(self, answer: Handler) -> Handler:
        """The same answer, from the VM's own node when it is another one."""

        async def answered(request: web.Request) -> web.StreamResponse:
            try:
                return await answer(request)
            except Elsewhere as there:
                if self.hop is None:
                    raise
                return await self.hop.forward(request, there.visit, there.target, self.sockets)

        return answered

    async def console(self, request: web.Request) -> web.StreamResponse:
        """WebSocket `?mode=write|watch&history=1|0&device=…&since=…`; a plain GET answers the history as it is."""
        mode = cast("Mode", choice(request, "mode", ("watch", "write")))
        device = _device(request)
        guest = Guest("", mode, choice(request, "history", ("1", "0")) == "1", _mark(request))
        visit, target = await self._admit(request, "console", "update" if mode == "write" else "get")
        visit = replace(visit, device=device, mode=mode)
        if not wants_socket(request):
            audit.record("read", visit)
            body = await self.consoles.history(target.uuid, device)
            return web.Response(body=body, content_type="text/plain", charset="utf-8")
        guest = replace(guest, user=visit.caller.user, turned=partial(audit.take_over, visit))
        async with (
            self.sockets.opened(request, "console") as ws,
            self.consoles.session(target.uuid, guest, device) as (console, session),
        ):
            with audit.session(visit, lambda: (session.sent, session.typed)):
                await either(send_all(ws, _frames(session)), _receive(ws, console, session))
            await ws.close(message=b"the VM is gone")
        return ws

    async def vnc(self, request: web.Request) -> web.StreamResponse:
        """WebSocket `?mode=watch|write`: RFB, the guest's screen, and for a writer its keyboard and mouse too."""
        mode = choice(request, "mode", ("watch", "write"))
        visit, target = await self._admit(request, "vnc", "update" if mode == "write" else "get")
        # Before anything else: a client that was refused a WebSocket asks again plainly, to be told why.
        pipe = await asyncio.open_connection(sock=await self.hypervisor.open_graphics(target.uuid))
        carried = [0, 0]
        try:
            if not wants_socket(request):
                raise bad("vnc is a WebSocket")
            async with self.sockets.opened(request, "vnc") as ws:
                with audit.session(replace(visit, mode=mode), lambda: (carried[0], carried[1])):
                    await forward(ws, pipe, carried, Gate(may_type=mode == "write"))
        finally:
            pipe[1].close()
        return ws

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """The samples: JSON by a plain GET, one text frame each over a WebSocket."""
        visit, target = await self._admit(request, "metrics", "get")
        if not wants_socket(request):
            samples = self.sampler.history(target.uuid)
            return web.json_response(Metrics(interval_seconds=self.sampler.interval_s, samples=samples).wire())
        async with self.sockets.opened(request, "metrics") as ws:
            await self._tell(ws, visit, self._samples(target.uuid))
        return ws

    async def log(self, request: web.Request) -> web.StreamResponse:
        """`?source=qemu|serial0|console1&lines=100`: the last lines as text; a WebSocket goes on with what is added."""
        source = choice(request, "source", LOG_SOURCES)
        lines = number(request, "lines", 100, 1, MOST_LOG_LINES)
        visit, target = await self._admit(request, "log", "get")
        path = await self._log_path(target, source)
        if not wants_socket(request):
            async with aclosing(follow(path, lines)) as texts:
                return web.Response(text=await anext(texts), content_type="text/plain")
        async with self.sockets.opened(request, "log") as ws:
            await self._tell(ws, visit, follow(path, lines))
        return ws

    async def screenshot(self, request: web.Request) -> web.StreamResponse:
        """What is on the VM's screen now, as PNG."""
        visit, target = await self._admit(request, "screenshot", "get")
        audit.record("read", visit)
        picture = await self.hypervisor.screenshot(target.uuid)
        return web.Response(body=picture, content_type="image/png", headers={"Cache-Control": "no-store"})

    async def disks(self, request: web.Request) -> web.StreamResponse:
        """The files that the VM's disks are made of, as JSON."""
        _, target = await self._admit(request, "disks", "get")
        if self.chains is None:
            raise NotFound("this node tells of no disks", 404, "NotFound")
        return web.json_response((await self.chains(target.uuid)).wire())

    async def portforward(self, request: web.Request) -> web.StreamResponse:
        """WebSocket `?port=22`: the bytes of one TCP connection to the guest."""
        port = number(request, "port", 0, 1, 65535)
        visit, target = await self._admit(request, "portforward", "update", "create")
        # Before anything else: a client that was refused a WebSocket asks again plainly, to be told why.
        pipe = await self.dial(target.addresses, port)
        carried = [0, 0]
        try:
            if not wants_socket(request):
                raise bad("portforward is a WebSocket")
            async with self.sockets.opened(request, "portforward") as ws:
                with audit.session(replace(visit, device=f"tcp/{port}"), lambda: (carried[0], carried[1])):
                    await forward(ws, pipe, carried)
        finally:
            pipe[1].close()
        return ws

    async def _admit(self, request: web.Request, subresource: SubResource, *verbs: Verb) -> tuple[Visit, Target]:
        visit, target = await self._door.admit(request, subresource, *verbs)
        self.sockets.check_room(f"node {self.node_name}")
        if target.node_name != self.node_name:
            raise Elsewhere(visit, target, self.node_name)
        return visit, target

    async def _tell(self, ws: web.WebSocketResponse, visit: Visit, frames: AsyncGenerator[str, None]) -> None:
        """Tell until the client goes, or the VM: who comes back then is told by its new node."""
        left = self.residents.left(visit.wish.namespace, visit.wish.name)
        await either(send_all(ws, frames), until_gone(ws), left)
        await ws.close(message=b"the VM is not on this node any more")

    async def _log_path(self, target: Target, source: str) -> str:
        if source != "qemu":
            return self.consoles.log_path(target.uuid, cast("ConsoleDevice", source))
        domain = await self.hypervisor.observe(target.uuid)
        if domain is None:
            raise NotFound("the VM has no domain on this node, and so no log: was it ever started?", 404, "NotFound")
        return self.hypervisor.log_path(domain.name)

    async def _samples(self, uuid: str) -> AsyncGenerator[str, None]:
        async with aclosing(self.sampler.subscribe(uuid)) as samples:
            async for sample in samples:
                yield sample.model_dump_json(by_alias=True)


async def _frames(session: Session) -> AsyncGenerator[bytes | str, None]:
    async with aclosing(session.messages()) as messages:
        async for message in messages:
            yield message.model_dump_json(by_alias=True) if isinstance(message, ConsoleState) else message


async def _receive(ws: web.WebSocketResponse, console: Console, session: Session) -> None:
    async for message in ws:
        if message.type is WSMsgType.BINARY:
            await console.type(session, message.data)
        elif message.type is WSMsgType.TEXT:
            await _obey(_control(message.data), console, session)


async def _obey(control: str, console: Console, session: Session) -> None:
    match control:
        case "take":
            await console.take(session)
        case "give":
            await console.give(session)
        case "keep":
            console.keep(session)


def _control(text: str) -> str:
    """The type of a control message; empty for what this program does not know."""
    if len(text) > LONGEST_CONTROL:
        return ""
    try:
        message = json.loads(text)
    except ValueError:
        return ""
    return str(message.get("type", "")) if isinstance(message, dict) else ""


def _device(request: web.Request) -> Device:
    return cast("Device", choice(request, "device", DEVICES))


def _mark(request: web.Request) -> Mark | None:
    text = request.query.get("since", "")
    if text and (mark := Mark.parse(text)) is None:
        raise bad("since must be what a console's state gave as its mark")
    return mark if text else None
