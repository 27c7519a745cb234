"""The console on real API servers: what a person does there reaches the objects, and what happens there is seen."""

import asyncio
import os
import signal
import uuid
from collections.abc import Awaitable, Callable

import pytest

from hypersdk.errors import NotFound
from hypersdk.kube.cache import Cache
from hypersdk.kube.client import Client
from hypersdk.kube.endpoint import connect
from hypersdk.kube.pulse import Beat
from hypersdk.kube.watch import Watch
from hypersdk.model.base import JsonObject, rfc3339
from hypersdk.model.kinds import EVENTS, VIRTUAL_MACHINES, VM_OPERATIONS
from hypersdk.model.vmoperation import VMOperation
from tests.controlplane.api import Api
from tests.controlplane.embedded import EmbeddedServer
from tests.tui.builders import NOW
from tests.tui.screen import started, until
from tui.options import Options
from tui.session import LiveSession, Session, live_session

pytestmark = pytest.mark.timeout(90, func_only=True)


def connecting(api: Api) -> Callable[[str], Awaitable[Session]]:
    """How the console connects to that server."""

    async def connect(context: str) -> Session:
        return await live_session(api.endpoint)

    return connect


async def _operation(client: Client, namespace: str) -> VMOperation:
    """The first operation that somebody asks for."""
    cache: Cache[VMOperation] = Cache()
    asked: asyncio.Future[VMOperation] = asyncio.get_running_loop().create_future()
    cache.subscribe(lambda _: asked.set_result(next(iter(cache))) if len(cache) and not asked.done() else None)
    watching = asyncio.create_task(Watch(client, VM_OPERATIONS, cache, namespace=namespace).run())
    try:
        async with asyncio.timeout(20):
            return await asked
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def test_vm_is_created_watched_and_deleted_by_keys(any_api: Api, client: Client, namespace: str) -> None:
    options = Options(namespace=namespace)
    async with started(connecting(any_api), (100, 30), options=options) as pilot:
        await until(pilot, "There are no VMs")
        await pilot.press("c", *"web-1", "enter")
        await until(pilot, "◌ Pending")
        made = await client.get(VIRTUAL_MACHINES, namespace, "web-1")
        assert made.spec.cpus == 1
        status: JsonObject = {"status": {"phase": "Running", "nodeName": "node-7", "ipAddresses": ["10.0.0.9"]}}
        await client.patch(VIRTUAL_MACHINES, namespace, "web-1", status, subresource="status")
        assert "10.0.0.9" in await until(pilot, "● Running")
        await pilot.press("d")
        await until(pilot, "Type 'web-1'")
        await pilot.press(*"web-1", "enter")
        await until(pilot, "web-1 is deleted")
        await until(pilot, "There are no VMs")
        with pytest.raises(NotFound):
            await client.get(VIRTUAL_MACHINES, namespace, "web-1")


async def test_operation_is_followed_to_its_end(any_api: Api, client: Client, namespace: str) -> None:
    spec: JsonObject = {"cpus": 1, "memory": "512Mi", "running": False}
    await client.create(VIRTUAL_MACHINES, namespace, {"metadata": {"name": "web-1"}, "spec": spec})
    await client.patch(VIRTUAL_MACHINES, namespace, "web-1", {"status": {"phase": "Stopped"}}, subresource="status")
    async with started(connecting(any_api), (100, 30), options=Options(namespace=namespace)) as pilot:
        await until(pilot, "Stopped")
        await pilot.press("s")
        name = (await _operation(client, namespace)).metadata.name
        half: JsonObject = {"status": {"phase": "Running", "progress": 50, "message": "powering on"}}
        await client.patch(VM_OPERATIONS, namespace, name, half, subresource="status")
        await until(pilot, "start 50%, Stopped")
        over: JsonObject = {"status": {"phase": "Failed", "message": "no disk"}}
        await client.patch(VM_OPERATIONS, namespace, name, over, subresource="status")
        await until(pilot, "Start web-1: failed - no disk")
        await pilot.press("enter", "4")
        await until(pilot, "✗ start Failed")


async def test_events_about_the_vm_are_seen(any_api: Api, client: Client, namespace: str) -> None:
    spec: JsonObject = {"cpus": 1, "memory": "512Mi"}
    made = await client.create(VIRTUAL_MACHINES, namespace, {"metadata": {"name": "web-1"}, "spec": spec})
    async with started(connecting(any_api), options=Options(namespace=namespace)) as pilot:
        await until(pilot, "web-1")
        await pilot.press("enter", "4")
        await until(pilot, "[events]")
        about: JsonObject = {
            "kind": "VirtualMachine",
            "name": "web-1",
            "namespace": namespace,
            "uid": made.metadata.uid,
        }
        event: JsonObject = {
            "metadata": {"name": "web-1.started"},
            "involvedObject": about,
            "reason": "Started",
            "message": "the guest runs",
            "type": "Normal",
            "lastTimestamp": rfc3339(NOW),
        }
        await client.create(EVENTS, namespace, event)
        await until(pilot, "the guest runs")


async def test_namespaces_are_listed(any_api: Api) -> None:
    namespace = f"a-{uuid.uuid4().hex[:10]}"  # the first of the many that other tests have left
    any_api.kubectl()("create", "namespace", namespace)
    async with started(connecting(any_api), (80, 60)) as pilot:
        await until(pilot, "There are no VMs")
        await pilot.press("n")
        await until(pilot, namespace)


async def test_lost_server_makes_the_list_stale_and_its_return_makes_it_live(embedded_server: EmbeddedServer) -> None:
    kubectl = embedded_server.api.kubectl()
    manifest = '{"apiVersion":"hypersdk.io/v1alpha1","kind":"VirtualMachine","metadata":{"name":"stays"},'
    kubectl("apply", "-f", "-", stdin=manifest + '"spec":{"cpus":1,"memory":"1Gi"}}')
    async with started(connecting(embedded_server.api)) as pilot:
        await until(pilot, "stays")
        embedded_server.stop()
        assert "stays" in await until(pilot, "✗ stale")
        await pilot.press("d")
        await until(pilot, "Delete refused: stale")
        embedded_server.restart()
        await until(pilot, "✗ stale", gone=True)
    kubectl("delete", "vm", "stays")


async def test_server_that_hangs_makes_the_list_stale_though_its_connections_stand(
    embedded_server: EmbeddedServer,
) -> None:
    async def connect_impatiently(context: str) -> Session:
        endpoint = embedded_server.api.endpoint
        return LiveSession(Client(await connect(endpoint)), endpoint, Beat(quiet=0.5, patience=1.0))

    async with started(connect_impatiently) as pilot:
        await until(pilot, "There are no VMs")
        os.kill(embedded_server.pid, signal.SIGSTOP)
        try:
            await until(pilot, "s: no answer from https://", within=30)
        finally:
            os.kill(embedded_server.pid, signal.SIGCONT)
        await until(pilot, "✗ stale", gone=True, within=30)
