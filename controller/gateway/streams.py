"""What does each subresource of a VM answer: console, metrics, log, portforward?"""

import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import WSCloseCode, WSMsgType, web
from aiohttp.typedefs import Handler

from controller.gateway.access import Access, Caller, Verb, Wish, caller_of
from controller.gateway.console import Console
from controller.gateway.consoles import Consoles
from controller.gateway.portforward import Dial, dial_guest, either, forward
from controller.gateway.sampler import Sampler
from controller.gateway.session import Session
from controller.gateway.targets import Lookup, Target, target_here
from controller.hypervisor.port import Hypervisor
from hypersdk.errors import ApiError, Forbidden, Invalid, NotFound
from hypersdk.kube.streams import ConsoleState, Mode, SubResource, stream_path
from hypersdk.model.metrics import Metrics

HEARTBEAT_S = 30.0
LARGEST_FRAME = 1024 * 1024
LONGEST_CONTROL = 1024
MOST_LOG_LINES = 10_000
MOST_OPEN = 1024
"""WebSockets at a time; each costs this process some 100 KiB."""


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
    _open: set[web.WebSocketResponse] = field(default_factory=set)

    def routes(self) -> list[web.RouteDef]:
        """A route for each subresource."""
        answers: dict[SubResource, Handler] = {
            "console": self.console,
            "metrics": self.metrics,
            "log": self.log,
            "portforward": self.portforward,
        }
        return [web.get(stream_path("{namespace}", "{name}", name), answer) for name, answer in answers.items()]

    async def close(self) -> None:
        """Let every client go, with a word that this is not an error."""
        for ws in list(self._open):
            await ws.close(code=WSCloseCode.GOING_AWAY, message=b"the node's controller ends")

    async def console(self, request: web.Request) -> web.StreamResponse:
        """WebSocket `?mode=write|watch&history=1|0`; a plain GET answers the history as it is."""
        mode: Mode = "write" if _choice(request, "mode", ("watch", "write")) == "write" else "watch"
        with_history = _choice(request, "history", ("1", "0")) == "1"
        caller, target = await self._admit(request, "console", "update" if mode == "write" else "get")
        if not _wants_socket(request):
            return web.Response(body=self.consoles.history(target.uuid), content_type="text/plain", charset="utf-8")
        async with (
            self._socket(request) as ws,
            self.consoles.session(target.uuid, caller.user, mode, history=with_history) as (console, session),
        ):
            await either(_send(ws, _frames(session)), _receive(ws, console, session))
            await ws.close(message=b"the VM is gone")
        return ws

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """The samples: JSON by a plain GET, one text frame each over a WebSocket."""
        _, target = await self._admit(request, "metrics", "get")
        if not _wants_socket(request):
            samples = self.sampler.history(target.uuid)
            return web.json_response(Metrics(interval_seconds=self.sampler.interval_s, samples=samples).wire())
        async with self._socket(request) as ws:
            await either(_send(ws, self._samples(target.uuid)), _end_of(ws))
        return ws

    async def log(self, request: web.Request) -> web.StreamResponse:
        """The last `?lines=100` of QEMU's own log, as text."""
        lines = _number(request, "lines", 100, 1, MOST_LOG_LINES)
        _, target = await self._admit(request, "log", "get")
        domain = await self.hypervisor.observe(target.uuid)
        if domain is None:
            raise NotFound("the VM has no domain on this node, and so no log: was it ever started?", 404, "NotFound")
        text = "".join(f"{line}\n" for line in await self.hypervisor.log_tail(domain.name, lines))
        return web.Response(text=text, content_type="text/plain")

    async def portforward(self, request: web.Request) -> web.StreamResponse:
        """WebSocket `?port=22`: the bytes of one TCP connection to the guest."""
        port = _number(request, "port", 0, 1, 65535)
        _, target = await self._admit(request, "portforward", "update", "create")
        # Before anything else: a client that was refused a WebSocket asks again plainly, to be told why.
        pipe = await self.dial(target.addresses, port)
        try:
            if not _wants_socket(request):
                raise _bad("portforward is a WebSocket")
            async with self._socket(request) as ws:
                await forward(ws, pipe)
        finally:
            pipe[1].close()
        return ws

    async def _admit(self, request: web.Request, subresource: SubResource, *verbs: Verb) -> tuple[Caller, Target]:
        """Who calls and which VM is meant, once any of the verbs is allowed: nobody else learns whether it exists."""
        caller = caller_of(request, self.allowed_names)
        if len(self._open) >= self.most_open:
            raise ApiError(f"{len(self._open)} streams are open on node {self.node_name}", 429, "TooManyRequests")
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        for verb in verbs:
            if await self.access.allows(caller, Wish(verb, namespace, name, subresource)):
                return caller, target_here(self.lookup, self.node_name, namespace, name)
        what = f'virtualmachines/{subresource} of "{name}" in namespace "{namespace}"'
        raise Forbidden(f'user "{caller.user}" cannot {verbs[0]} {what}', 403, "Forbidden")

    @asynccontextmanager
    async def _socket(self, request: web.Request) -> AsyncIterator[web.WebSocketResponse]:
        ws = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=LARGEST_FRAME, compress=False)
        await ws.prepare(request)
        self._open.add(ws)
        try:
            yield ws
        finally:
            self._open.discard(ws)

    async def _samples(self, uuid: str) -> AsyncIterator[str]:
        async with aclosing(self.sampler.subscribe(uuid)) as samples:
            async for sample in samples:
                yield sample.model_dump_json(by_alias=True)


async def _frames(session: Session) -> AsyncIterator[bytes | str]:
    async with aclosing(session.messages()) as messages:
        async for message in messages:
            yield message.model_dump_json(by_alias=True) if isinstance(message, ConsoleState) else message


async def _send(ws: web.WebSocketResponse, frames: AsyncIterator[bytes | str]) -> None:
    """Send every frame; a slow client is waited for here, and by nobody else."""
    try:
        async for frame in frames:
            await (ws.send_str(frame) if isinstance(frame, str) else ws.send_bytes(frame))
    except ConnectionError:
        return  # the client is gone


async def _receive(ws: web.WebSocketResponse, console: Console, session: Session) -> None:
    async for message in ws:
        if message.type is WSMsgType.BINARY:
            await console.type(session, message.data)
        elif message.type is WSMsgType.TEXT and _control(message.data) == "take":
            await console.take(session)


async def _end_of(ws: web.WebSocketResponse) -> None:
    async for _ in ws:
        pass  # nothing is expected from there


def _control(text: str) -> str:
    """The type of a control message; empty for what this program does not know."""
    if len(text) > LONGEST_CONTROL:
        return ""
    try:
        message = json.loads(text)
    except ValueError:
        return ""
    return str(message.get("type", "")) if isinstance(message, dict) else ""


def _wants_socket(request: web.Request) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"


def _choice(request: web.Request, name: str, choices: tuple[str, ...]) -> str:
    """A query parameter; the first choice when it is not given."""
    value = request.query.get(name, choices[0])
    if value not in choices:
        raise _bad(f"{name} must be one of {', '.join(choices)}")
    return value


def _number(request: web.Request, name: str, default: int, least: int, most: int) -> int:
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) <= 6 and least <= int(text) <= most):
        raise _bad(f"{name} must be a number from {least} to {most}")
    return int(text)


def _bad(message: str) -> Invalid:
    return Invalid(message, 400, "BadRequest")
