"""A few nodes, one API that all of them reach, and what a test sees of it; all is gone at the end, whatever comes.

async with lab(binaries, folder, count=2) as here:
    await here.create("web", "counter", image)
    op = await here.migrate("web", targetNode="node-2")
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue

from controller.hypervisor.libvirt_host import LibvirtHost, open_host
from hypersdk.kube.cache import Cache
from hypersdk.kube.client import Client
from hypersdk.kube.endpoint import connect
from hypersdk.kube.watch import Watch
from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import VIRTUAL_MACHINES, VM_OPERATIONS
from hypersdk.model.vmoperation import VMOperation
from tests.controlplane.api import Api
from tests.controlplane.build import Binaries
from tests.controlplane.caches import running
from tests.controlplane.certificates import Authority, KeyPair
from tests.controlplane.embedded import EmbeddedServer
from tests.libvirt.controllers import Bench, ControllerProcess
from tests.nodes import wire
from tests.nodes.node import Node, only_child

NAMESPACE = "lab"
GATEWAYS = "gateways.example"
GATEWAY_PORT = 8443
SHARED = "shared"
"""A storageClass that all nodes have, in the same folder."""
IMAGES = "images"
"""A folder of images that every node takes."""


@dataclass
class NodeController(ControllerProcess):
    """A node's controller, which runs in the node."""

    async def kill(self) -> None:
        """kill -9, of the controller itself and not of what has put it into the node."""
        self._signal(signal.SIGKILL)
        assert self.process is not None
        await self.process.wait()

    async def stop(self) -> None:
        """SIGTERM."""
        if self.process is None or self.process.returncode is not None:
            return
        self._signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            await self.process.wait()
        assert self.process.returncode == 0, self.tail()

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError, ValueError, FileNotFoundError):
            # The only child is the controller: nsenter waits for it.
            os.kill(only_child(self.process.pid), number)


@dataclass
class Lab(Bench):
    """Several nodes behind one namespace; `controller` is the first one's."""

    nodes: list[Node] = field(default_factory=list)
    controllers: list[NodeController] = field(default_factory=list)
    hosts: list[LibvirtHost] = field(default_factory=list)
    """Each node's libvirt, for looking."""
    api: Api | None = None

    async def migrate(self, name: str, *, within: float = 120, force: bool = False, **spec: JsonValue) -> VMOperation:
        """Move a VM, and wait until that is over."""
        made = await self.begin_move(name, force=force, **spec)
        await self.until_of(self.operations, lambda: self.op(made).phase.is_over, within)
        return self.op(made)

    async def begin_move(self, name: str, *, force: bool = False, **spec: JsonValue) -> VMOperation:
        """Have a VM moved."""
        whole: JsonObject = {
            "vmRef": {"name": name},
            "operation": "migrate",
            "migrateSpec": spec,
            "force": force,
        }
        meta: JsonObject = {"generateName": f"{name}-migrate-"}
        return await self.client.create(VM_OPERATIONS, self.namespace, {"metadata": meta, "spec": whole})

    def op(self, made: VMOperation) -> VMOperation:
        """The operation as it is now."""
        return self.operations.get(*made.key) or made

    async def running_on(self, name: str) -> list[str]:
        """The nodes whose libvirt has the VM's domain with its CPUs running."""
        uid = self.vm(name).metadata.uid
        seen = [(node.name, await host.observe(uid)) for node, host in zip(self.nodes, self.hosts, strict=True)]
        return [node for node, domain in seen if domain is not None and domain.state == "running"]

    def files(self, name: str) -> dict[str, set[str]]:
        """What of the VM lies in each node's state folder."""
        uid = self.vm(name).metadata.uid
        return {one.node: {path for path in one.files() if uid in path} for one in self.controllers}


@asynccontextmanager
async def lab(binaries: Binaries, folder: Path, count: int = 2, *options: str) -> AsyncIterator[Lab]:
    """The nodes with their controllers, ready. The folder's name must be short, and QEMU's user must reach it."""
    nodes = [Node(number, folder / f"n{number}") for number in range(1, count + 1)]
    api = EmbeddedServer(folder / "api", binaries, "--listen", wire.HOST, "--gateway", str(folder / "n1" / "gw.sock"))
    (folder / "api").mkdir()
    (folder / SHARED).mkdir(mode=0o711)
    (folder / IMAGES).mkdir()
    wire.lay()
    async with AsyncExitStack() as stack:
        stack.callback(wire.take_up)
        for node in nodes:
            stack.callback(node.end)
            node.begin()
        stack.callback(api.stop)
        api.start()
        for node in nodes:
            await asyncio.to_thread(node.wait)
        await asyncio.to_thread(wire.join, nodes)
        api.api.make_namespace(NAMESPACE)
        certificate, authority = _certificates(folder)
        controllers = [_controller(node, api.api, folder, certificate, authority, options) for node in nodes]
        yield await _opened(stack, nodes, controllers, api.api)


async def _opened(stack: AsyncExitStack, nodes: list[Node], controllers: list[NodeController], api: Api) -> Lab:
    client = Client(await connect(api.endpoint))
    stack.push_async_callback(client.close)
    here = Lab(client, NAMESPACE, controllers[0], Cache(), Cache(), nodes=nodes, controllers=controllers, api=api)
    await stack.enter_async_context(running(Watch(client, VIRTUAL_MACHINES, here.vms, namespace=NAMESPACE)))
    await stack.enter_async_context(running(Watch(client, VM_OPERATIONS, here.operations, namespace=NAMESPACE)))
    for node in nodes:
        host = await open_host(node.uri, virt_type="qemu")
        stack.push_async_callback(host.close)
        here.hosts.append(host)
    for one in controllers:
        stack.push_async_callback(one.stop)
    await asyncio.gather(*(one.start() for one in controllers))
    return here


def _controller(
    node: Node, api: Api, folder: Path, certificate: KeyPair, authority: Path, options: tuple[str, ...]
) -> NodeController:
    gateway = (
        "--gateway-tls",
        f"{node.address}:{GATEWAY_PORT}",
        "--gateway-advertise",
        f"{node.address}:{GATEWAY_PORT}",
    )
    keys = ("--tls-cert", str(certificate.certificate), "--tls-key", str(certificate.key))
    peers = ("--client-ca", str(authority), "--peer-ca", str(authority), "--peer-name", GATEWAYS)
    names = ("--client-name", "front-proxy", "--network", f"bridge:{wire.OVERLAY}")
    storage = ("--storage-class", f"{SHARED}={folder / SHARED}", "--metrics-bind", "off")
    images = ("--image-folder", str(folder / IMAGES))
    every = (*gateway, *keys, *peers, *names, *storage, *images, *options)
    return NodeController(
        api, "qemu:///system", node.folder, NAMESPACE, options=every, node=node.name, inside=node.inside
    )


def _certificates(folder: Path) -> tuple[KeyPair, Path]:
    authority = Authority.create(folder, "gateways")
    return authority.issue_for_both(GATEWAYS), authority.certificate
