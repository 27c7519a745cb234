"""Fixtures that every test may ask for: the two API servers, and a client of whichever one it runs against."""

import os
import signal
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import HealthCheck, settings

from hypersdk.kube.client import Client
from hypersdk.kube.endpoint import connect
from tests.controlplane.api import Api, RealApi, Server
from tests.controlplane.build import Binaries, binaries
from tests.controlplane.embedded import EmbeddedServer
from tests.controlplane.kubectl import Kubectl
from tests.controlplane.server import ControlPlane

SERVER_FIXTURES = {"real_server", "binaries_of_kubernetes", "any_server"}
TIMEOUT_S = 60
"""For tests against a server: kubectl alone takes seconds on a busy machine. Starting one has its own deadlines."""


def pytest_configure() -> None:
    """Hear Ctrl-C, and let the programs under test hear it, also where a shell has started this in its background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # How long an example takes says how busy the machine is, and nothing of the code under test.
    settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("busy")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a real kube-apiserver, and give tests against a server their time."""
    for item in items:
        fixtures: set[str] = set(getattr(item, "fixturenames", ()))
        if "real_server" in fixtures:
            item.add_marker(pytest.mark.kube)
        if fixtures & SERVER_FIXTURES and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TIMEOUT_S, func_only=True))


@pytest.fixture(scope="session")
def binaries_of_kubernetes() -> Binaries:
    """kube-apiserver, etcd and kubectl, built when they are not there yet."""
    return binaries(os.environ)


@pytest.fixture(scope="session")
def real_server(tmp_path_factory: pytest.TempPathFactory, binaries_of_kubernetes: Binaries) -> Iterator[ControlPlane]:
    """A real kube-apiserver with our kinds; for tests that take it down and up again."""
    server = ControlPlane(tmp_path_factory.mktemp("kube"), binaries_of_kubernetes)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def embedded_server(
    tmp_path_factory: pytest.TempPathFactory, binaries_of_kubernetes: Binaries
) -> Iterator[EmbeddedServer]:
    """The embedded API server; for tests that take it down and up again."""
    server = EmbeddedServer(tmp_path_factory.mktemp("embedded"), binaries_of_kubernetes)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def real_api(real_server: ControlPlane) -> RealApi:
    """A real kube-apiserver with our kinds."""
    return real_server.api


@pytest.fixture(scope="session")
def embedded_api(embedded_server: EmbeddedServer) -> Api:
    """The embedded API server."""
    return embedded_server.api


@pytest.fixture(scope="session", params=["embedded", pytest.param("kube", marks=pytest.mark.kube)])
def any_server(request: pytest.FixtureRequest) -> Server:
    """Each of the two servers in turn: a test that asks for it is part of the contract between them."""
    name = "real_server" if request.param == "kube" else "embedded_server"
    server: Server = request.getfixturevalue(name)
    return server


@pytest.fixture(scope="session")
def any_api(any_server: Server) -> Api:
    """Each of the two servers in turn."""
    return any_server.api


@pytest.fixture
async def client(any_api: Api) -> AsyncIterator[Client]:
    """Our own client, signed in as an administrator."""
    opened = Client(await connect(any_api.endpoint))
    yield opened
    await opened.close()


@pytest.fixture
def namespace(any_api: Api) -> str:
    """A namespace that no other test uses."""
    name = f"t-{uuid.uuid4().hex[:10]}"
    any_api.make_namespace(name)
    return name


@pytest.fixture
def kubectl(any_api: Api, namespace: str) -> Kubectl:
    """kubectl in a namespace that no other test uses."""
    return any_api.kubectl(namespace)
