"""The controller as a process of its own, on a real libvirtd and a real API; and what a test sees through the API."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypeVar

from pydantic import JsonValue

from hypersdk.errors import NotFound
from hypersdk.kube.cache import Cache
from hypersdk.kube.client import Client
from hypersdk.kube.watch import Watch
from hypersdk.model.base import JsonObject, Resource, condition
from hypersdk.model.core import Event
from hypersdk.model.kinds import EVENTS, VIRTUAL_MACHINES, VM_OPERATIONS
from hypersdk.model.virtualmachine import Phase, VirtualMachine
from hypersdk.model.vmoperation import VMOperation
from tests.controlplane.api import Api
from tests.controlplane.caches import running, until

NODE = "node-1"
READY_WITHIN_S = 60.0
BOOT_WITHIN_S = 180.0
R = TypeVar("R", bound=Resource)


@dataclass
class ControllerProcess:
    """`python -m controller.main` on one state folder; started, killed and started again by a test."""

    api: Api
    libvirt_uri: str
    folder: Path
    namespace: str
    """Its own, for the API is every test's."""
    catalogue: str = ""
    options: tuple[str, ...] = ()
    """More of its command line."""
    node: str = NODE
    """Its --node-name."""
    inside: tuple[str, ...] = ()
    """What its command begins with that runs somewhere else than the test."""
    process: asyncio.subprocess.Process | None = None

    @property
    def state(self) -> Path:
        """Its --state."""
        return self.folder / "state"

    @property
    def images(self) -> Path:
        """Its --image-folder."""
        return self.folder / "images"

    @property
    def log(self) -> Path:
        """What it says."""
        return self.folder / "controller.log"

    async def start(self) -> None:
        """Start it, and wait until it says that it is ready."""
        with self.log.open("ab") as log:
            self.process = await self.spawned(log)
        await self.until_ready()

    async def spawned(self, log: IO[bytes] | int) -> asyncio.subprocess.Process:
        """The process, which ends with this one; it says what it does to `log`."""
        return await asyncio.create_subprocess_exec(
            *("setpriv", "--pdeathsig", "KILL", "--", *self.inside, sys.executable, "-m", "controller.main"),
            *self.words(),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )

    def words(self) -> list[str]:
        """Its command line; the files that it names are there."""
        self.images.mkdir(exist_ok=True)
        catalogue = self.folder / "catalogue.toml"
        catalogue.write_text(self.catalogue)
        return [
            *("--kubeconfig", str(self.api.kubeconfig), "--libvirt-uri", self.libvirt_uri, "--virt-type", "qemu"),
            *("--namespace", self.namespace, "--node-name", self.node, "--state", str(self.state)),
            *("--gateway", str(self.folder / "gw.sock")),
            *("--catalogue", str(catalogue), "--image-folder", str(self.images), "--image-allow", "127.0.0.0/8"),
            *self.options,
        ]

    async def until_ready(self) -> None:
        """Wait for its word."""
        assert self.process is not None
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                line = await self.process.stdout.readline()
        except TimeoutError:
            line = b""
        assert line == b"ready\n", self.tail()

    async def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> None:
        """SIGTERM, as a service manager does; it ends soon and without an error."""
        if self.process is None or self.process.returncode is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            await self.process.wait()
        assert self.process.returncode == 0, self.tail()

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-6000:]

    def files(self) -> set[str]:
        """What lies in its state folder and belongs to single VMs."""
        roots = ("disks", "seeds", "consoles", "definitions")
        found = (path for root in roots for path in (self.state / root).rglob("*"))
        return {str(path.relative_to(self.state)) for path in found}


@dataclass
class Bench:
    """One namespace of an API with a controller behind it, watched."""

    client: Client
    namespace: str
    controller: ControllerProcess
    vms: Cache[VirtualMachine]
    operations: Cache[VMOperation]
    made: set[str] = field(default_factory=set)

    async def create(self, name: str, image: str | JsonObject, **spec: JsonValue) -> None:
        """Create a VM of the test's size from an image."""
        source: JsonObject = {"source": image} if isinstance(image, str) else image
        whole: JsonObject = {"cpus": 1, "memory": "192Mi", "image": source, **spec}
        self.made.add(name)
        await self.client.create(VIRTUAL_MACHINES, self.namespace, {"metadata": {"name": name}, "spec": whole})

    async def operate(
        self, name: str, operation: str, *, force: bool = False, within: float = 180, **more: JsonValue
    ) -> VMOperation:
        """Do one operation, and wait until it is over."""
        spec: JsonObject = {"vmRef": {"name": name}, "operation": operation, "force": force, **more}
        meta: JsonObject = {"generateName": f"{name}-{operation}-"}
        made = await self.client.create(VM_OPERATIONS, self.namespace, {"metadata": meta, "spec": spec})

        def over() -> bool:
            op = self.operations.get(*made.key)
            return op is not None and op.phase.is_over

        await self.until_of(self.operations, over, within)
        op = self.operations.get(*made.key)
        assert op is not None
        return op

    def vm(self, name: str) -> VirtualMachine:
        """The VM as the API has it."""
        vm = self.vms.get(self.namespace, name)
        assert vm is not None
        return vm

    def reason(self, name: str, kind: str = "Ready") -> str:
        """The reason of one of its conditions."""
        found = condition(self.vm(name).status.conditions, kind)
        return (found.reason or "") if found else ""

    async def until_phase(self, name: str, phase: Phase, reason: str = "", within: float = BOOT_WITHIN_S) -> None:
        """Wait for a phase and the reason that goes with it."""

        def holds() -> bool:
            vm = self.vms.get(self.namespace, name)
            return vm is not None and vm.phase is phase and reason in {"", self.reason(name)}

        await self.until(holds, within)

    async def until(self, holds: Callable[[], bool], within: float = BOOT_WITHIN_S) -> None:
        """Wait for something to be true of the VMs."""
        await self.until_of(self.vms, holds, within)

    async def until_of(self, cache: Cache[R], holds: Callable[[], bool], within: float) -> None:
        """Wait for something to be true; the controller's log goes with a failure."""
        try:
            await until(cache, holds, within)
        except AssertionError as error:
            seen = [vm.status.wire() for vm in self.vms]
            raise AssertionError(f"{error}\n{seen}\n{self.controller.tail()}") from error

    async def events(self) -> list[Event]:
        """The namespace's Events, oldest first."""
        events = await self.client.list(EVENTS, self.namespace)
        return sorted(events, key=lambda event: str(event.metadata.creation_timestamp))

    async def delete(self, name: str) -> None:
        """Delete a VM, and wait until it is gone."""
        with contextlib.suppress(NotFound):
            await self.client.delete(VIRTUAL_MACHINES, self.namespace, name)
        await self.until(lambda: self.vms.get(self.namespace, name) is None)
        self.made.discard(name)


@asynccontextmanager
async def bench(client: Client, namespace: str, controller: ControllerProcess) -> AsyncIterator[Bench]:
    """Start the controller, watch the namespace; afterwards no VM of the test is left."""
    vms: Cache[VirtualMachine] = Cache()
    operations: Cache[VMOperation] = Cache()
    async with (
        running(Watch(client, VIRTUAL_MACHINES, vms, namespace=namespace)),
        running(Watch(client, VM_OPERATIONS, operations, namespace=namespace)),
    ):
        here = Bench(client, namespace, controller, vms, operations)
        await controller.start()
        try:
            yield here
            for name in list(here.made):
                await here.delete(name)
        finally:
            await controller.stop()


def is_alive(pid: int | None) -> bool:
    """Whether the process is there."""
    return pid is not None and os.path.exists(f"/proc/{pid}")


async def until_gone(pid: int | None) -> None:
    """Wait until the process has ended; libvirt tells of a QEMU's end while it is ending."""
    assert pid is not None
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_reader(handle, ended.set)
    try:
        async with asyncio.timeout(30):
            await ended.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)
