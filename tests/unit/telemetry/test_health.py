"""Health over HTTP: alive whatever happens, ready when it can work."""

import asyncio
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter

from controller.hypervisor.fake import FakeHypervisor
from controller.settings import Bind, parser, settings_of
from controller.telemetry.health import Health, answers, is_set
from controller.telemetry.server import TelemetryServer
from tests.unit.gateway.loopback import background

LOOPBACK = "127.0.0.1"


@pytest.fixture
def host() -> FakeHypervisor:
    """A host that answers."""
    return FakeHypervisor(clock=lambda: 0.0)


@pytest.fixture
def synced() -> asyncio.Event:
    """Whether the API has listed its objects."""
    return asyncio.Event()


@pytest.fixture
async def server(host: FakeHypervisor, synced: asyncio.Event) -> AsyncIterator[TelemetryServer]:
    """A server on some port."""
    registry = CollectorRegistry()
    Counter("things", "Things.", registry=registry).inc()
    health = Health({"virtualmachines": is_set(synced, lambda: "no answer from the API"), "libvirt": answers(host)})
    server = TelemetryServer(Bind(LOOPBACK, 0), registry, health)
    async with background(server.run):
        await server.ready.wait()
        yield server


async def _get(port: int, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://{LOOPBACK}:{port}{path}") as answer:
        return answer.status, await answer.text()


async def test_ready_only_when_objects_are_known_and_libvirt_answers(
    server: TelemetryServer, host: FakeHypervisor, synced: asyncio.Event
) -> None:
    code, words = await _get(server.port, "/readyz")
    assert code == 503
    assert "[-]virtualmachines failed: no answer from the API" in words
    synced.set()
    assert await _get(server.port, "/readyz") == (
        200,
        "[+]virtualmachines ok\n[+]libvirt ok\nreadyz check passed\n",
    )
    host.down = True
    code, words = await _get(server.port, "/readyz")
    assert code == 503
    assert "[-]libvirt failed: libvirtd does not answer" in words
    for path in ("/healthz", "/livez"):
        assert await _get(server.port, path) == (200, "ok")


async def test_metrics_are_text(server: TelemetryServer) -> None:
    code, text = await _get(server.port, "/metrics")
    assert code == 200
    assert "things_total 1.0" in text


async def test_port_that_is_taken_is_had_once_it_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.telemetry.server.RETRY_S", 0.01)
    with socket.create_server((LOOPBACK, 0)) as other:
        port = other.getsockname()[1]
        server = TelemetryServer(Bind(LOOPBACK, port), CollectorRegistry(), Health({}))
        async with background(server.run):
            assert not (await asyncio.wait({asyncio.ensure_future(server.ready.wait())}, timeout=0.1))[0]
            other.close()
            await server.ready.wait()
            assert (await _get(port, "/healthz"))[0] == 200


@pytest.mark.parametrize(
    ("words", "bind"),
    [
        ([], Bind(LOOPBACK, 8081)),
        (["--metrics-bind", "off"], None),
        (["--metrics-bind", ":9000"], Bind("0.0.0.0", 9000)),
        (["--metrics-bind", "[::1]:9000"], Bind("::1", 9000)),
    ],
)
def test_address_on_the_command_line(words: list[str], bind: Bind | None) -> None:
    assert settings_of(parser().parse_args(["--node-name", "n", "--state", "/s", *words])).metrics == bind


@pytest.mark.parametrize("text", ["8081", "localhost", "localhost:http", "localhost:99999", ""])
def test_address_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="--metrics-bind wants"):
        settings_of(parser().parse_args(["--node-name", "n", "--state", "/s", "--metrics-bind", text]))
