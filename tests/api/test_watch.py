"""The watch as it is on the wire: which events come, from where, and how it ends."""

import json
from collections.abc import AsyncIterator

import pytest

from hypersdk.kube.client import Client
from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import VIRTUAL_MACHINES
from tests.api.builders import at, virtual_machine
from tests.api.http import Http, http
from tests.controlplane.api import Api, Server
from tests.controlplane.kubectl import Kubectl


@pytest.fixture
async def request_(any_api: Api) -> AsyncIterator[Http]:
    """Plain HTTP as an administrator."""
    async with http(any_api) as opened:
        yield opened


@pytest.fixture
def path(namespace: str) -> str:
    """The VMs of the test's own namespace."""
    return VIRTUAL_MACHINES.path(namespace)


async def _version(client: Client, namespace: str) -> str:
    return (await client.page(VIRTUAL_MACHINES, namespace)).resource_version


async def _make(client: Client, namespace: str, name: str, **labels: str) -> None:
    await client.create(VIRTUAL_MACHINES, namespace, virtual_machine(name, labels=labels))


async def _patch(client: Client, namespace: str, name: str, patch: JsonObject, subresource: str = "") -> None:
    await client.patch(VIRTUAL_MACHINES, namespace, name, patch, subresource=subresource)


async def test_every_change_is_an_event(request_: Http, path: str, client: Client, namespace: str) -> None:
    async with request_.watch(path, resourceVersion=await _version(client, namespace)) as watch:
        await _make(client, namespace, "web")
        await _patch(client, namespace, "web", {"spec": {"cpus": 2}})
        await _patch(client, namespace, "web", {"status": {"phase": "Running"}}, "status")
        await client.delete(VIRTUAL_MACHINES, namespace, "web")
        events = [await watch.event() for _ in range(4)]
    assert [event["type"] for event in events] == ["ADDED", "MODIFIED", "MODIFIED", "DELETED"]
    assert [at(event, "object", "spec", "cpus") for event in events] == [1, 2, 2, 2]
    assert at(events[3], "object", "status", "phase") == "Running", "the last state goes with the deletion"
    versions = [int(str(at(event, "object", "metadata", "resourceVersion"))) for event in events]
    assert versions == sorted(set(versions)), "each event has a newer version, the deletion too"


async def test_a_version_of_the_past_brings_what_came_after(
    request_: Http, path: str, client: Client, namespace: str
) -> None:
    await _make(client, namespace, "before")
    version = await _version(client, namespace)
    await _make(client, namespace, "after")
    await client.delete(VIRTUAL_MACHINES, namespace, "before")
    async with request_.watch(path, resourceVersion=version) as watch:
        assert await watch.happened() == ("ADDED", "after")
        assert await watch.happened() == ("DELETED", "before")


async def test_no_version_brings_what_is_there(request_: Http, path: str, client: Client, namespace: str) -> None:
    await _make(client, namespace, "a")
    await _make(client, namespace, "b")
    async with request_.watch(path) as watch:
        assert sorted([await watch.happened(), await watch.happened()]) == [("ADDED", "a"), ("ADDED", "b")]
        await _make(client, namespace, "c")
        assert await watch.happened() == ("ADDED", "c")


async def test_other_namespaces_are_not_seen(request_: Http, path: str, client: Client, namespace: str) -> None:
    name = f"stray-{namespace}"
    async with request_.watch(path, resourceVersion=await _version(client, namespace)) as watch:
        await _make(client, "default", name)
        await client.delete(VIRTUAL_MACHINES, "default", name)
        await _make(client, namespace, "own")
        assert await watch.happened() == ("ADDED", "own")


async def test_leaving_the_selection_by_label_is_a_deletion(
    request_: Http, path: str, client: Client, namespace: str
) -> None:
    version = await _version(client, namespace)
    async with request_.watch(path, resourceVersion=version, labelSelector="tier=front") as watch:
        await _make(client, namespace, "back", tier="back")
        await _make(client, namespace, "web", tier="front")
        assert await watch.happened() == ("ADDED", "web")
        await _patch(client, namespace, "web", {"metadata": {"labels": {"tier": "back"}}})
        gone = await watch.event()
        assert (gone["type"], at(gone, "object", "metadata", "name")) == ("DELETED", "web")
        assert at(gone, "object", "metadata", "labels", "tier") == "front", "as it was when it last matched"
        await _patch(client, namespace, "back", {"metadata": {"labels": {"tier": "front"}}})
        assert await watch.happened() == ("ADDED", "back")


async def test_a_node_watches_its_own_machines(request_: Http, path: str, client: Client, namespace: str) -> None:
    version = await _version(client, namespace)
    async with request_.watch(path, resourceVersion=version, fieldSelector="status.nodeName=n1") as watch:
        await _make(client, namespace, "web")
        await _patch(client, namespace, "web", {"status": {"nodeName": "n1"}}, "status")
        assert await watch.happened() == ("ADDED", "web")
        await _patch(client, namespace, "web", {"status": {"phase": "Running"}}, "status")
        assert await watch.happened() == ("MODIFIED", "web")
        await _patch(client, namespace, "web", {"status": {"nodeName": "n2"}}, "status")
        assert await watch.happened() == ("DELETED", "web")


async def test_one_object_can_be_watched(request_: Http, path: str, client: Client, namespace: str) -> None:
    version = await _version(client, namespace)
    async with request_.watch(path, resourceVersion=version, fieldSelector="metadata.name=web") as watch:
        await _make(client, namespace, "other")
        await _make(client, namespace, "web")
        assert await watch.happened() == ("ADDED", "web")


async def test_a_change_of_nothing_is_no_event(request_: Http, path: str, client: Client, namespace: str) -> None:
    await _make(client, namespace, "web")
    async with request_.watch(path, resourceVersion=await _version(client, namespace)) as watch:
        await _patch(client, namespace, "web", {"spec": {"cpus": 1}})
        await _make(client, namespace, "next")
        assert await watch.happened() == ("ADDED", "next")


async def test_bookmarks_come_before_the_time_is_up(request_: Http, path: str, client: Client, namespace: str) -> None:
    version = await _version(client, namespace)
    query = {"resourceVersion": version, "allowWatchBookmarks": "true", "timeoutSeconds": "4"}
    async with request_.watch(path, **query) as watch:
        await _make(client, "default", f"far-{namespace}")
        bookmark = await watch.event()
    assert bookmark["type"] == "BOOKMARK"
    assert at(bookmark, "object", "kind") == "VirtualMachine"
    assert int(str(at(bookmark, "object", "metadata", "resourceVersion"))) > int(version), (
        "it moves past other namespaces"
    )
    await client.delete(VIRTUAL_MACHINES, "default", f"far-{namespace}")


async def test_a_watch_ends_when_its_time_is_up(request_: Http, path: str, client: Client, namespace: str) -> None:
    version = await _version(client, namespace)
    async with request_.watch(path, resourceVersion=version, timeoutSeconds="1") as watch:
        with pytest.raises(EOFError):
            await watch.event()


async def test_a_version_that_is_forgotten_is_gone(any_server: Server, kubectl: Kubectl) -> None:
    old = json.loads(kubectl("get", "--raw", VIRTUAL_MACHINES.path(kubectl.namespace)))
    kubectl.apply(virtual_machine("web"))
    kubectl("delete", "vm", "web")
    any_server.restart()  # what came before is no longer remembered event by event
    version = str(at(old, "metadata", "resourceVersion"))
    async with (
        http(any_server.api) as request,
        request.watch(VIRTUAL_MACHINES.path(kubectl.namespace), resourceVersion=version) as watch,
    ):
        answer = await watch.event()
    status = answer.get("object", answer)
    assert (at(status, "kind"), at(status, "code")) == ("Status", 410)
    assert at(status, "reason") in {"Expired", "Gone"}


async def test_a_version_that_is_no_version_is_refused(request_: Http, path: str) -> None:
    async with request_.watch(path, resourceVersion="yesterday") as watch:
        assert watch.response.status >= 400


async def test_rows_of_a_table_can_be_watched(any_api: Api, client: Client, namespace: str, path: str) -> None:
    version = await _version(client, namespace)
    await _make(client, namespace, "web")
    async with http(any_api) as request:
        request.session.headers["Accept"] = "application/json;as=Table;v=v1;g=meta.k8s.io"
        async with request.watch(path, resourceVersion=version) as watch:
            event = await watch.event()
    assert at(event, "object", "kind") == "Table"
    assert at(event, "object", "rows", 0, "cells", 0) == "web"
