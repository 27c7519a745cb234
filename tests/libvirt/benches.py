"""A controller on the embedded API for a whole module of tests, and a bridge of the host for its guests."""

import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hypersdk.kube.client import Client
from hypersdk.kube.endpoint import connect
from tests.controlplane.api import Api
from tests.libvirt.conftest import Libvirtd
from tests.libvirt.controllers import Bench, ControllerProcess, bench


@dataclass(frozen=True)
class Bridge:
    """A host bridge, in the run's own network namespace, with nothing but guests on it."""

    name: str
    ip: str
    ip6: str


@asynccontextmanager
async def lone_bench(api: Api, libvirtd: Libvirtd, folder: Path, *options: str) -> AsyncIterator[Bench]:
    """A controller with more options, in a namespace of its own."""
    namespace = f"t-{uuid.uuid4().hex[:10]}"
    api.make_namespace(namespace)
    client = Client(await connect(api.endpoint))
    controller = ControllerProcess(api, libvirtd.uri, folder, namespace, options=options)
    try:
        async with bench(client, namespace, controller) as here:
            yield here
    finally:
        await client.close()


@contextmanager
def host_bridge(bridge: Bridge) -> Iterator[None]:
    """The bridge is there, with the host on it, until the block ends."""
    _ip("link", "add", bridge.name, "type", "bridge", "forward_delay", "0")
    try:
        _ip("addr", "add", f"{bridge.ip}/24", "dev", bridge.name)
        _ip("addr", "add", f"{bridge.ip6}/64", "dev", bridge.name, "nodad")
        _ip("link", "set", bridge.name, "up")
        yield
    finally:
        _ip("link", "delete", bridge.name)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
