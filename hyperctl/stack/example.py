"""The example's VMs: made the first time and never again, and waited for until their guests answer."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import yaml
from pydantic import TypeAdapter

from hyperctl.stack.process import identify
from hyperctl.stack.talk import Tell
from hypersdk import errors
from hypersdk.data import data_folder
from hypersdk.kube.client import Client
from hypersdk.kube.endpoint import Endpoint, connect
from hypersdk.model.base import JsonObject, condition
from hypersdk.model.kinds import OURS, VIRTUAL_MACHINES
from hypersdk.model.virtualmachine import Phase, VirtualMachine

Key = tuple[str, str]
_POLL_S = 0.5
_SETTLE_S = 10.0
"""A failure may have been said by an earlier controller; this one has looked by then."""
_DOCUMENTS: TypeAdapter[list[JsonObject]] = TypeAdapter(list[JsonObject])


def manifest() -> Path:
    """The example's file."""
    return data_folder("deploy") / "examples" / "vm-demo.yaml"


def documents(text: str) -> list[JsonObject]:
    """The objects of a YAML file."""
    return _DOCUMENTS.validate_python([one for one in yaml.safe_load_all(text) if one])


def keys(objects: Sequence[JsonObject]) -> list[Key]:
    """Namespace and name of each object."""
    metas = [one["metadata"] for one in objects]
    named = [meta for meta in metas if isinstance(meta, dict)]
    return [(str(meta.get("namespace", "default")), str(meta["name"])) for meta in named]


def apply(kubeconfig: Path, tell: Tell) -> None:
    """Create what is not there; what is there is left as it is, whoever changed it."""
    asyncio.run(_apply(kubeconfig, documents(manifest().read_text()), tell))


def await_guests(kubeconfig: Path, timeout: float, tell: Tell) -> list[VirtualMachine]:
    """Wait until the guest of each VM of the example answers; VMs that are gone or wanted off do not count."""
    return asyncio.run(_await_guests(kubeconfig, keys(documents(manifest().read_text())), timeout, tell))


def answers(vm: VirtualMachine) -> bool:
    """Whether the guest is up: its agent speaks, it has an address, and both were not said of an earlier life.

    `hyperctl down` leaves the last status as it was, for nobody is there to write another one.
    """
    agent, pid = vm.status.guest_agent, vm.status.qemu_pid
    is_over = bool(pid) and identify(pid or 0) is None
    return bool(agent and agent.connected and vm.status.ip_addresses) and not is_over


def progress(vm: VirtualMachine) -> str:
    """How far a VM is, in a few words."""
    name = vm.metadata.name
    if answers(vm):
        return f"{name} {(vm.status.ip_addresses or [''])[0]}"
    return f"{name} {'boots' if vm.phase is Phase.RUNNING else vm.phase}"


async def _apply(kubeconfig: Path, objects: Sequence[JsonObject], tell: Tell) -> None:
    made = []
    async with client(kubeconfig) as api:
        for one, (namespace, name) in zip(objects, keys(objects), strict=True):
            kind = next(kind for kind in OURS if kind.kind == one["kind"])
            try:
                await api.get(kind, namespace, name)
            except errors.NotFound:
                await api.create(kind, namespace, one)
                made.append(name)
    tell(f"created {', '.join(made)}" if made else "all there")


async def _await_guests(kubeconfig: Path, wanted: Sequence[Key], timeout: float, tell: Tell) -> list[VirtualMachine]:
    began = time.monotonic()
    async with client(kubeconfig) as api:
        while True:
            vms = [vm for vm in await api.list(VIRTUAL_MACHINES) if vm.key in wanted and vm.spec.running]
            tell(", ".join(progress(vm) for vm in vms) or "no VM of the example is left")
            if all(answers(vm) for vm in vms):
                return vms
            failed = [vm for vm in vms if vm.phase is Phase.FAILED]
            if failed and time.monotonic() > began + _SETTLE_S:
                raise errors.HyperSDKError("; ".join(_failure(vm) for vm in failed))
            if time.monotonic() > began + timeout:
                silent = ", ".join(progress(vm) for vm in vms if not answers(vm))
                raise errors.HyperSDKError(f"the guests do not answer after {timeout:.0f} s: {silent}")
            await asyncio.sleep(_POLL_S)


def _failure(vm: VirtualMachine) -> str:
    ready = condition(vm.status.conditions, "Ready")
    why = f"{ready.reason}: {ready.message}" if ready else "no reason is given"
    return f"{vm.metadata.name} has failed ({why})"


@asynccontextmanager
async def client(kubeconfig: Path) -> AsyncIterator[Client]:
    """A client of the embedded API."""
    opened = Client(await connect(Endpoint(str(kubeconfig))))
    try:
        yield opened
    finally:
        await opened.close()
