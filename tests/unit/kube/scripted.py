"""An API server that answers what a script says, for what the real ones cannot be made to do."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import yaml
from aiohttp import web

from hypersdk.kube.client import Client
from hypersdk.kube.endpoint import Endpoint, connect
from hypersdk.model.base import JsonObject

Step = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Scripted:
    """The steps still to come, one a request, and what was asked so far; the last step is repeated for ever."""

    steps: list[Step]
    asked: list[dict[str, str]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Play the next step."""
        self.asked.append(dict(request.query))
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        return await step(request)


def machine(name: str, version: str = "1", cpus: int = 1) -> JsonObject:
    """A VirtualMachine as a server sends it."""
    metadata: JsonObject = {"name": name, "namespace": "default", "resourceVersion": version}
    kind = {"apiVersion": "hypersdk.io/v1alpha1", "kind": "VirtualMachine"}
    return {**kind, "metadata": metadata, "spec": {"cpus": cpus, "memory": "1Gi"}}


def listing(*items: JsonObject, version: str, next_page: str = "") -> Step:
    """A page of a list."""
    meta: JsonObject = {"resourceVersion": version}
    if next_page:
        meta["continue"] = next_page
    body: JsonObject = {"kind": "VirtualMachineList", "metadata": meta, "items": list(items)}

    async def step(request: web.Request) -> web.StreamResponse:
        return web.json_response(body)

    return step


def body(raw: bytes) -> Step:
    """Whatever those bytes are, as a success."""

    async def step(request: web.Request) -> web.StreamResponse:
        return web.Response(body=raw, content_type="application/json")

    return step


def refusal(code: int, reason: str, message: str = "refused", retry_after: str = "") -> Step:
    """A Status."""
    body = status(code, reason, message)
    headers = {"Retry-After": retry_after} if retry_after else {}

    async def step(request: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=code, headers=headers)

    return step


def status(code: int, reason: str, message: str = "refused") -> JsonObject:
    """The body of a refusal."""
    return {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}


def events(*pairs: tuple[str, JsonObject], then: Literal["end", "break", "stay"] = "end", piece: int = 0) -> Step:
    """A watch: its events, in pieces of so many bytes, and how it goes on after them."""
    lines = b"".join(json.dumps({"type": kind, "object": obj}).encode() + b"\n" for kind, obj in pairs)

    async def step(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for start in range(0, len(lines), piece or len(lines) or 1):
            await response.write(lines[start : start + (piece or len(lines))])
        assert request.transport is not None
        if then == "break":
            request.transport.abort()
        elif then == "stay":
            await asyncio.Event().wait()  # until the client has gone, which cancels this
        return response

    return step


def bookmark(version: str) -> tuple[str, JsonObject]:
    """The event that only moves the version."""
    return "BOOKMARK", {"kind": "VirtualMachine", "metadata": {"resourceVersion": version}}


@asynccontextmanager
async def scripted(folder: Path, *steps: Step) -> AsyncIterator[tuple[Scripted, Client]]:
    """The script's server on loopback, and our client of it."""
    script = Scripted(list(steps))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", script.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client = Client(await connect(_endpoint(folder, runner.addresses[0][1])))
    try:
        yield script, client
    finally:
        await client.close()
        await runner.cleanup()


def _endpoint(folder: Path, port: int) -> Endpoint:
    kubeconfig = folder / "kubeconfig"
    config: JsonObject = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "scripted",
        "clusters": [{"name": "scripted", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "scripted", "user": {"token": "secret"}}],
        "contexts": [{"name": "scripted", "context": {"cluster": "scripted", "user": "scripted"}}],
    }
    kubeconfig.write_text(yaml.safe_dump(config))
    return Endpoint(str(kubeconfig))
