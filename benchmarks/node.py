"""A libvirtd, an embedded API and a controller of the benchmarks' own: three processes, no guests."""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hyperctl.stack.virsh import destroy_everything
from hypersdk.kube.cache import Cache
from hypersdk.kube.client import Client
from hypersdk.kube.endpoint import Endpoint, connect
from hypersdk.kube.watch import Watch
from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import VIRTUAL_MACHINES
from hypersdk.model.virtualmachine import Phase, VirtualMachine
from tests.controlplane.caches import running, until
from tests.controlplane.process import Process
from tests.libvirt.bootsector import write_echo_disk
from tests.libvirt.conftest import served

NAMESPACE = "default"
READY_WITHIN_S = 60.0
_OVERCOMMIT = 64
"""Guests that halt their CPU need none of it; the default would not let 50 of them onto a small machine."""


@dataclass(frozen=True)
class Node:
    """A running node, and what a client of its API sees."""

    folder: Path
    libvirt_uri: str
    client: Client
    vms: Cache[VirtualMachine]
    api: Process
    controller: Process

    @property
    def requests(self) -> list[str]:
        """The first line of each request that the API has answered, such as `PATCH /apis/… HTTP/1.1`."""
        return [line.split('"')[1] for line in self.api.log.read_text().splitlines() if '"' in line]

    async def create(self, name: str) -> None:
        """Ask for a VM of 32 MiB that boots the sector; returns when the API has it."""
        spec: JsonObject = {"cpus": 1, "memory": "32Mi", "image": {"source": f"file://{image(self.folder)}"}}
        await self.client.create(VIRTUAL_MACHINES, NAMESPACE, {"metadata": {"name": name}, "spec": spec})

    async def until_running(self, *names: str, within: float = 120) -> None:
        """Return once the API says that each of them runs."""
        await self.until(lambda: all(self.is_running(name) for name in names), within)

    def is_running(self, name: str) -> bool:
        """Whether the API says that it runs."""
        vm = self.vms.get(NAMESPACE, name)
        return vm is not None and vm.phase is Phase.RUNNING

    async def delete(self, *names: str) -> None:
        """Delete VMs, and wait until they are gone."""
        for name in names:
            await self.client.delete(VIRTUAL_MACHINES, NAMESPACE, name)
        await self.until(lambda: not any(self.vms.get(NAMESPACE, name) for name in names), 120)

    async def until(self, holds: Callable[[], bool], within: float) -> None:
        """Wait for something to be true of the VMs."""
        try:
            await until(self.vms, holds, within)
        except AssertionError as error:
            seen = "\n".join(f"{vm.metadata.name}: {vm.status.wire()}" for vm in self.vms)
            raise AssertionError(f"{error}\n{seen}\n{self.controller.tail()}") from error

    async def virsh(self, *words: str) -> str:
        """Run one virsh command to its end; what it printed."""
        return await command("virsh", "--quiet", "--connect", self.libvirt_uri, *words)


def image(folder: Path) -> Path:
    """The image of all guests: it greets, and halts its CPU until somebody types."""
    return folder / "images" / "echo.raw"


async def command(*words: str) -> str:
    """Run a program to its end; what it printed."""
    process = await asyncio.create_subprocess_exec(
        *words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    output, errors = await process.communicate()
    if process.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {process.returncode}:\n{output.decode()}{errors.decode()}")
    return output.decode()


@asynccontextmanager
async def local_node() -> AsyncIterator[Node]:
    """A node, and nothing of it afterwards."""
    with _processes() as (folder, uri, api, controller):
        client = Client(await connect(Endpoint(str(folder / "kubeconfig"))))
        vms: Cache[VirtualMachine] = Cache()
        try:
            async with running(Watch(client, VIRTUAL_MACHINES, vms)):
                node = Node(folder, uri, client, vms, api, controller)
                yield node
                await node.delete(*(vm.metadata.name for vm in vms))
        finally:
            await client.close()


@contextmanager
def _processes() -> Iterator[tuple[Path, str, Process, Process]]:
    # A short path: a socket's may have 107 bytes. QEMU's user has to reach what is in it.
    with served() as libvirtd, tempfile.TemporaryDirectory(prefix="hb") as name:
        folder = Path(name)
        folder.chmod(0o755)
        image(folder).parent.mkdir()
        (folder / "vault").mkdir()
        write_echo_disk(image(folder))
        try:
            with _running("apiserver.main", _api_options(folder), folder / "api.log") as api:
                options = _controller_options(folder, libvirtd.uri)
                with _running("controller.main", options, folder / "node.log") as controller:
                    yield folder, libvirtd.uri, api, controller
        finally:
            destroy_everything(libvirtd.uri)


@contextmanager
def _running(module: str, options: list[str], log: Path) -> Iterator[Process]:
    process = Process.start([sys.executable, "-P", "-m", module, *options], log)
    try:
        process.wait_until(lambda: _is_ready(log), READY_WITHIN_S)
        yield process
    finally:
        process.stop()


def _is_ready(log: Path) -> bool:
    return any(line.startswith("ready") for line in log.read_text().splitlines())


def _api_options(folder: Path) -> list[str]:
    state = ["--state", str(folder / "api"), "--kubeconfig", str(folder / "kubeconfig")]
    return [*state, "--gateway", str(folder / "gw"), "--verbose"]


def _controller_options(folder: Path, uri: str) -> list[str]:
    return [
        *("--kubeconfig", str(folder / "kubeconfig"), "--libvirt-uri", uri, "--virt-type", "qemu"),
        *("--node-name", "node-1", "--state", str(folder / "node"), "--gateway", str(folder / "gw")),
        *("--image-folder", str(folder / "images"), "--cpu-overcommit", str(_OVERCOMMIT)),
        *("--backup-folder", str(folder / "vault")),
    ]
