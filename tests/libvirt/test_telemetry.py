"""A controller process as an operator sees it: metrics, health and log, and its consoles over its own violent end."""

import asyncio
import json
import random
import re
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from hypersdk.errors import Unreachable
from hypersdk.kube.client import Client
from hypersdk.kube.endpoint import connect
from hypersdk.kube.streams import Trail, open_console
from hypersdk.model.base import JsonObject
from hypersdk.model.virtualmachine import Phase
from tests.controlplane.embedded import EmbeddedServer
from tests.libvirt.bootsector import GREETING, write_echo_disk
from tests.libvirt.conftest import Libvirtd
from tests.libvirt.controllers import Bench, ControllerProcess, bench
from tests.unit.gateway.loopback import FrontProxy, Screen

ADMIN = "kubernetes-admin"
pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(240)]


@dataclass(frozen=True)
class Here:
    """A controller whose metrics are on `port`, with one running guest that echoes."""

    bench: Bench
    port: int
    server: EmbeddedServer

    async def get(self, path: str) -> tuple[int, str]:
        """An answer from there."""
        url = f"http://127.0.0.1:{self.port}{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status, await answer.text()

    def console_client(self) -> Client:
        """Signs in where the API server does."""
        return Client(FrontProxy(self.bench.controller.folder / "gw.sock", ADMIN))

    def lines(self) -> list[JsonObject]:
        """What the controllers have written to their log."""
        return [json.loads(line) for line in self.bench.controller.log.read_text().splitlines()]


@pytest.fixture
async def here(
    embedded_server: EmbeddedServer, libvirtd: Libvirtd, guest_folder: Path, private_network: None
) -> AsyncIterator[Here]:
    """That controller."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    api = embedded_server.api
    api.make_namespace("telemetry")
    client = Client(await connect(api.endpoint))
    options = ("--metrics-bind", f"127.0.0.1:{port}", "--log-format", "json", "--verbose")
    audit = ("--audit-file", str(guest_folder / "audit.log"))
    process = ControllerProcess(api, libvirtd.uri, guest_folder, "telemetry", options=(*options, *audit))
    async with bench(client, "telemetry", process) as made:
        image = await asyncio.to_thread(write_echo_disk, process.images / "echo.raw")
        await made.create("web", f"file://{image}", memory="32Mi")
        await made.until_phase("web", Phase.RUNNING)
        yield Here(made, port, embedded_server)
    await client.close()


async def test_controller_tells_of_itself_and_its_consoles_outlive_it(here: Here) -> None:
    await _metrics_are_of_this_node(here)
    await _console_goes_on_over_kill_9(here)
    await _health_without_an_api(here)
    await _log_says_what_it_is_about(here)


async def _metrics_are_of_this_node(here: Here) -> None:
    client = here.console_client()
    async with await open_console(client, "telemetry", "web", "watch") as stream:
        await Screen(stream).shows(GREETING, 60)
        assert 'hypersdk_streams_open{subresource="console"} 1.0' in (await here.get("/metrics"))[1]
    await client.close()
    assert (await here.get("/readyz"))[0] == 200
    code, text = await here.get("/metrics")
    assert code == 200
    assert 'hypersdk_vm_status_phase{name="web",namespace="telemetry",phase="Running"} 1.0' in text
    for name in ("hypersdk_libvirt_call_duration_seconds_count", "controller_runtime_reconcile_total"):
        assert re.search(rf"^{name}\{{.*\}} [1-9]", text, re.M), text
    for call in ("define", "start", "resume", "one_domain"):
        assert f'call="{call}"' in text
    for name in ("hypersdk_console_output_bytes_total", "hypersdk_image_import_bytes_total"):
        assert re.search(rf"^{name} [1-9]", text, re.M), text


async def _console_goes_on_over_kill_9(here: Here) -> None:
    """Every byte that virtlogd has, once, though the controller is killed while the guest talks."""
    chance, trail, seen = random.Random(9), Trail(), b""
    process = here.bench.controller
    for _ in range(2):
        client = here.console_client()
        async with await open_console(client, "telemetry", "web", trail=trail) as stream:
            screen = await Screen(stream, trail).until(lambda screen: screen.state.connected, 30)
            wanted = len(screen.output) + chance.randrange(1, 100)
            for number in range(12):
                await stream.send(b"word %05d " % number)
            await screen.until(lambda screen, wanted=wanted: len(screen.output) >= wanted, 30)  # type: ignore[misc]
            await process.kill()
            with pytest.raises((Unreachable, StopAsyncIteration)):
                await screen.until(lambda screen: False, 30)
            seen += screen.output
        await client.close()
        await process.start()
    client = here.console_client()
    async with await open_console(client, "telemetry", "web", trail=trail) as stream:
        screen = await Screen(stream, trail).until(lambda screen: screen.state.connected, 30)
        await stream.send(b"THE END")
        seen += (await screen.shows(b"THE END", 60)).output
    await client.close()
    uid = here.bench.vm("web").metadata.uid
    written = await asyncio.to_thread((process.state / "consoles" / uid / "serial.log").read_bytes)
    assert seen.endswith(b"THE END")
    assert GREETING in seen
    assert written.startswith(seen)


async def _health_without_an_api(here: Here) -> None:
    await asyncio.to_thread(here.server.kill)
    try:
        assert (await here.get("/healthz"))[0] == 200
        code, words = await here.get("/readyz")
        assert (code, "[+]libvirt ok" in words) == (200, True), words
    finally:
        here.server.start()  # from this thread: a server ends with the one that started it


async def _log_says_what_it_is_about(here: Here) -> None:
    stop = await here.bench.operate("web", "stop", force=True)
    lines = here.lines()
    assert {"time", "level", "logger", "message"} <= set.intersection(*(set(line) for line in lines))
    about = [line for line in lines if line.get("operation") == stop.metadata.name]
    assert about
    assert {line["vm"] for line in about} == {"telemetry/web"}
    text = await asyncio.to_thread(here.bench.controller.log.read_text)
    assert here.server.api.token not in text
    text = await asyncio.to_thread((here.bench.controller.folder / "audit.log").read_text)
    told = [json.loads(line) for line in text.splitlines()]
    assert [line["audit"] for line in told].count("console.start") == 4
    assert {(line["user"], line["vm"]) for line in told} == {(ADMIN, "telemetry/web")}
    _, metrics = await here.get("/metrics")
    assert 'hypersdk_operations_total{operation="stop",outcome="Succeeded"} 1.0' in metrics
