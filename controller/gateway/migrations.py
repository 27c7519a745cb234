"""What may another node's controller ask of this one? To take a VM in, for as long as its migrate operation says so."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web

from controller.gateway.access import common_names
from controller.gateway.answers import status
from controller.gateway.peers import FINAL, ROOT, carried
from controller.gateway.query import bad
from controller.gateway.sockets import LARGEST_FRAME, MOST_OPEN
from controller.node.migration.messages import Arrival, Lodging, Luggage, Saying
from controller.node.migration.sockets import NAME
from controller.telemetry.context import about_vm
from hypersdk.errors import ApiError, Conflict, Forbidden, Terminal, Unauthorized
from hypersdk.kube.client import Client
from hypersdk.model.kinds import VIRTUAL_MACHINES, VM_OPERATIONS
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.plaintext import plain

LARGEST_QUESTION = 1024 * 1024


class Host(Protocol):
    """The node that VMs come to (controller.node.migration.incoming)."""

    async def prepare(self, vm: VirtualMachine, luggage: Luggage) -> Lodging:
        """Make everything ready for it."""
        ...

    async def settle(self, vm: VirtualMachine) -> None:
        """What was copied as files is whole."""
        ...

    async def state(self, vm: VirtualMachine) -> Arrival:
        """How much of it is here."""
        ...

    async def say(self, vm: VirtualMachine, said: Saying) -> None:
        """What it has said on its consoles so far."""
        ...

    async def run(self, vm: VirtualMachine) -> None:
        """It is this node's by now."""
        ...

    async def discard(self, uid: str) -> None:
        """It does not come."""
        ...

    async def connect(self, vm: VirtualMachine, socket: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to what listens here for it."""
        ...


Answer = Callable[[web.Request, VirtualMachine], Awaitable[web.StreamResponse]]


@dataclass
class Migrations:
    """Answers the other nodes' controllers, and nobody else."""

    node_name: str
    client: Client
    host: Host
    peer_name: str
    """The common name in a gateway's certificate."""
    _open: set[web.WebSocketResponse] = field(default_factory=set)

    def routes(self) -> list[web.RouteDef]:
        """A route for each question."""
        base = f"{ROOT}/{{namespace}}/{{name}}"
        answers: dict[str, Answer] = {
            "prepare": self._prepare,
            "settle": self._settle,
            "state": self._state,
            "say": self._say,
            "run": self._run,
            "discard": self._discard,
        }
        asked = [web.post(f"{base}/{what}", self._admitted(answer)) for what, answer in answers.items()]
        return [*asked, web.get(f"{base}/stream", self._admitted(self._stream))]

    async def close(self) -> None:
        """Let every stream go."""
        for ws in list(self._open):
            await ws.close()

    def _admitted(self, answer: Answer) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answered(request: web.Request) -> web.StreamResponse:
            self._check_peer(request)
            namespace, name = request.match_info["namespace"], request.match_info["name"]
            about_vm(plain(namespace), plain(name))
            vm = await self.client.get(VIRTUAL_MACHINES, namespace, name)
            try:
                return await answer(request, vm)
            except Terminal as error:
                return status(ApiError(str(error), FINAL, error.reason))

        return answered

    def _check_peer(self, request: web.Request) -> None:
        """Only over TLS, and only with a gateway's own certificate: a front proxy speaks for people."""
        names = common_names(request.get_extra_info("peercert"))
        if request.get_extra_info("ssl_object") is None or self.peer_name not in names:
            raise Unauthorized("only another node's controller may ask this", 401, "Unauthorized")

    async def _check_operation(self, vm: VirtualMachine, name: str) -> None:
        """The API itself says that this VM is on its way here."""
        namespace, machine = vm.key
        op = await self.client.get(VM_OPERATIONS, namespace, name)
        comes = op.spec.operation == "migrate" and op.machine == vm.key and not op.phase.is_over
        if not comes or (op.status.result or {}).get("targetNode") != self.node_name:
            raise Forbidden(f"{name} does not bring {machine} to node {self.node_name}", 403, "Forbidden")

    async def _prepare(self, request: web.Request, vm: VirtualMachine) -> web.StreamResponse:
        luggage = Luggage.model_validate(await _question(request))
        await self._check_operation(vm, luggage.operation)
        if vm.status.node_name != luggage.source:
            raise Conflict(f"{vm.metadata.name} is not on node {luggage.source}", 503, "NotThere")
        return web.json_response((await self.host.prepare(vm, luggage)).wire())

    async def _settle(self, request: web.Request, vm: VirtualMachine) -> web.StreamResponse:
        await self._check_operation(vm, await _operation(request))
        await self.host.settle(vm)
        return web.json_response({})

    async def _state(self, request: web.Request, vm: VirtualMachine) -> web.StreamResponse:
        await self._check_operation(vm, await _operation(request))
        return web.json_response((await self.host.state(vm)).wire())

    async def _say(self, request: web.Request, vm: VirtualMachine) -> web.StreamResponse:
        said = Saying.model_validate(await _question(request))
        await self._check_operation(vm, said.operation)
        if vm.status.node_name == self.node_name:
            raise Conflict(f"{vm.metadata.name} speaks for itself on node {self.node_name}", 409, "Conflict")
        await self.host.say(vm, said)
        return web.json_response({})

    async def _run(self, request: web.Request, vm: VirtualMachine) -> web.StreamResponse:
        if vm.status.node_name != self.node_name:
            raise Forbidden(f"{vm.metadata.name} is not node {self.node_name}'s", 403, "Forbidden")
        await self.host.run(vm)
        return web.json_response({})

    async def _discard(self, request: web.Request, vm: VirtualMachine) -> web.StreamResponse:
        if vm.status.node_name == self.node_name:
            raise Forbidden(f"{vm.metadata.name} is node {self.node_name}'s", 403, "Forbidden")
        await self._check_operation(vm, await _operation(request))
        await self.host.discard(vm.metadata.uid)
        return web.json_response({})

    async def _stream(self, request: web.Request, vm: VirtualMachine) -> web.StreamResponse:
        socket = request.query.get("socket", "")
        if not NAME.fullmatch(socket):
            raise bad("there is no such socket of a move")
        await self._check_operation(vm, request.query.get("operation", ""))
        if len(self._open) >= MOST_OPEN:
            raise ApiError(f"{len(self._open)} streams are open on node {self.node_name}", 429, "TooManyRequests")
        reader, writer = await self.host.connect(vm, socket)
        ws = web.WebSocketResponse(max_msg_size=LARGEST_FRAME, compress=False)
        await ws.prepare(request)
        self._open.add(ws)
        try:
            await carried(ws, reader, writer)
        finally:
            self._open.discard(ws)
            writer.close()
        return ws


async def _question(request: web.Request) -> object:
    body = await request.content.read(LARGEST_QUESTION + 1)
    if len(body) > LARGEST_QUESTION:
        raise bad("the question is too long")
    try:
        return json.loads(body)
    except ValueError as error:
        raise bad("the question is no JSON") from error


async def _operation(request: web.Request) -> str:
    asked = await _question(request)
    return str(asked.get("operation", "")) if isinstance(asked, dict) else ""
