"""Doing by VMOperation: make one, then watch it until it is over."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from hypersdk.background import beside
from hypersdk.kube.cache import Cache, Health, Key
from hypersdk.kube.client import Client
from hypersdk.kube.pulse import Pulse
from hypersdk.kube.watch import Watch
from hypersdk.model.base import JsonObject, Resource
from hypersdk.model.kinds import VIRTUAL_MACHINES, VM_OPERATIONS, Kind
from hypersdk.model.marks import CANCEL
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmoperation import OperationPhase, VMOperation
from hypersdk.verbs.verb import Outcome, Progress

R = TypeVar("R", bound=Resource)
LONGEST_NAME = 200
"""Leaves room for the verb and the moment within the 253 characters of a DNS subdomain."""


def operation_object(vm: VirtualMachine, operation: str, extra: JsonObject, now: datetime) -> JsonObject:
    """The VMOperation for one thing to do now: `<vm>-<operation>-<milliseconds>`."""
    name = f"{vm.metadata.name[:LONGEST_NAME]}-{operation}-{int(now.timestamp() * 1000)}"
    spec: JsonObject = {"vmRef": {"name": vm.metadata.name}, "operation": operation}
    return {"metadata": {"name": name, "labels": {"vm": vm.metadata.name[:63]}}, "spec": spec | extra}


async def operate(client: Client, vm: VirtualMachine, operation: str, extra: JsonObject, progress: Progress) -> Outcome:
    """Create the operation and wait until it is over, telling how far it is."""
    namespace = vm.metadata.namespace or "default"
    made = await client.create(VM_OPERATIONS, namespace, operation_object(vm, operation, extra, datetime.now(UTC)))

    def over(op: VMOperation | None) -> Outcome | None:
        if op is None:
            return Outcome(False, f"{operation} of {vm.metadata.name}: the operation was deleted before it was over")
        if not op.phase.is_over:
            progress(op.status.progress, op.status.message or str(op.phase))
            return None
        words = op.status.message or str(op.phase)
        return Outcome(op.phase is OperationPhase.SUCCEEDED, words)

    return await until(client, VM_OPERATIONS, made.key, over, made=made, progress=progress)


async def cancel(client: Client, op: VMOperation, progress: Progress) -> Outcome:
    """Ask for an operation's end, and wait for it; the object stays, to tell of it."""
    namespace, name = op.metadata.namespace or "default", op.metadata.name
    await client.patch(VM_OPERATIONS, namespace, name, {"metadata": {"annotations": {CANCEL: "true"}}})

    def over(now: VMOperation | None) -> Outcome | None:
        if now is None:
            return Outcome(True, f"{name} is gone")
        if not now.phase.is_over:
            progress(now.status.progress, f"{name} is being cancelled")
            return None
        words = f"{name} is {now.phase}: {now.status.message or ''}"
        return Outcome(now.phase is OperationPhase.CANCELLED, words)

    return await until(client, VM_OPERATIONS, (namespace, name), over, progress=progress)


async def gone(client: Client, vm: VirtualMachine, progress: Progress) -> Outcome:
    """Wait until the VM object is really away, or another one has taken its name."""

    def away(now: VirtualMachine | None) -> Outcome | None:
        if now is None or now.metadata.uid != vm.metadata.uid:
            return Outcome(True, f"{vm.metadata.name} is deleted")
        progress(None, "waiting for the node to remove the domain and its disks")
        return None

    return await until(client, VIRTUAL_MACHINES, vm.key, away, progress=progress)


async def until(
    client: Client,
    kind: Kind[R],
    key: Key,
    decide: Callable[[R | None], Outcome | None],
    *,
    made: R | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Watch one object until `decide` has an outcome for it (None stands for an object that is not there).

    `made` is the object as it was just created, if it was: what has happened to it since then is told without a list.
    `progress` is told when the API is lost; the waiting goes on.
    """
    cache: Cache[R] = Cache()
    decided: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def look(_: object) -> None:
        if cache.health is Health.STALE and progress is not None:
            progress(None, f"{cache.error}; trying again")
        elif cache.synced.is_set() and not decided.done() and (outcome := decide(cache.get(*key))):
            decided.set_result(outcome)

    cache.subscribe(look)
    namespace, name = key
    watch, pulse = Watch(client, kind, cache, namespace=namespace, fields=f"metadata.name={name}"), Pulse(client)
    if made is not None:
        watch.begin_from(made)
    with pulse.over(watch):
        async with beside(pulse.run()), asyncio.TaskGroup() as group:
            watching = group.create_task(watch.run())
            outcome = await decided
            watching.cancel()
    return outcome
