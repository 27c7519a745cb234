"""Lists: order, pages, selectors, and the forms that tables and metadata readers ask for."""

import pytest

from hypersdk.errors import Invalid
from hypersdk.kube.client import Client
from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import VIRTUAL_MACHINES
from tests.api.builders import at, virtual_machine
from tests.api.http import http
from tests.controlplane.api import Api

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"


async def _make(client: Client, namespace: str, *names: str) -> None:
    for name in names:
        await client.create(VIRTUAL_MACHINES, namespace, virtual_machine(name, labels={"name": name}))


async def test_an_empty_list_is_a_list(any_api: Api, namespace: str) -> None:
    async with http(any_api) as request:
        answer = await request("GET", VIRTUAL_MACHINES.path(namespace))
    assert answer.at("kind") == "VirtualMachineList"
    assert answer.at("apiVersion") == "hypersdk.io/v1alpha1"
    assert answer.at("items") == []
    assert answer.at("metadata", "resourceVersion")


async def test_a_list_is_in_the_order_of_names(client: Client, namespace: str) -> None:
    await _make(client, namespace, "c", "a", "b")
    assert [vm.metadata.name for vm in await client.list(VIRTUAL_MACHINES, namespace)] == ["a", "b", "c"]


async def test_items_carry_their_kind(client: Client, namespace: str) -> None:
    await _make(client, namespace, "web")
    (vm,) = await client.list(VIRTUAL_MACHINES, namespace)
    assert (vm.kind, vm.api_version) == ("VirtualMachine", "hypersdk.io/v1alpha1")


async def test_pages_follow_each_other(client: Client, namespace: str) -> None:
    await _make(client, namespace, "a", "b", "c", "d", "e")
    first = await client.page(VIRTUAL_MACHINES, namespace, query=[("limit", "2")])
    second = await client.page(VIRTUAL_MACHINES, namespace, query=[("limit", "2"), ("continue", first.continue_)])
    third = await client.page(VIRTUAL_MACHINES, namespace, query=[("limit", "2"), ("continue", second.continue_)])
    names = [[vm.metadata.name for vm in page.items] for page in (first, second, third)]
    assert names == [["a", "b"], ["c", "d"], ["e"]]
    assert third.continue_ == ""
    assert first.resource_version == second.resource_version == third.resource_version


async def test_a_page_tells_how_many_remain(any_api: Api, client: Client, namespace: str) -> None:
    await _make(client, namespace, "a", "b", "c")
    async with http(any_api) as request:
        answer = await request("GET", VIRTUAL_MACHINES.path(namespace), query={"limit": "2"})
    assert answer.at("metadata", "remainingItemCount") == 1


async def test_exactly_one_page_has_no_next(client: Client, namespace: str) -> None:
    await _make(client, namespace, "a", "b")
    page = await client.page(VIRTUAL_MACHINES, namespace, query=[("limit", "2")])
    assert (len(page.items), page.continue_) == (2, "")


async def test_pages_keep_the_selector(client: Client, namespace: str) -> None:
    await _make(client, namespace, "a", "b", "c", "d")
    query = [("limit", "1"), ("labelSelector", "name in (b,d)")]
    first = await client.page(VIRTUAL_MACHINES, namespace, query=query)
    second = await client.page(VIRTUAL_MACHINES, namespace, query=[*query, ("continue", first.continue_)])
    assert [vm.metadata.name for vm in first.items + second.items] == ["b", "d"]


async def test_what_is_made_between_two_pages_is_seen_by_the_watch(
    any_api: Api, client: Client, namespace: str
) -> None:
    await _make(client, namespace, "b", "c", "d")
    first = await client.page(VIRTUAL_MACHINES, namespace, query=[("limit", "2")])
    await _make(client, namespace, "a")
    second = await client.page(VIRTUAL_MACHINES, namespace, query=[("limit", "2"), ("continue", first.continue_)])
    assert [vm.metadata.name for vm in first.items + second.items] == ["b", "c", "d"]
    async with (
        http(any_api) as request,
        request.watch(VIRTUAL_MACHINES.path(namespace), resourceVersion=second.resource_version) as watch,
    ):
        assert await watch.happened() == ("ADDED", "a")


async def test_a_continue_that_nobody_gave_is_refused(client: Client, namespace: str) -> None:
    with pytest.raises(Invalid):
        await client.page(VIRTUAL_MACHINES, namespace, query=[("limit", "2"), ("continue", "rubbish")])


async def test_a_list_without_a_namespace_is_of_all(client: Client, namespace: str) -> None:
    await _make(client, namespace, "web")
    listed = await client.list(VIRTUAL_MACHINES, labels="name=web")
    assert (namespace, "web") in {vm.key for vm in listed}


async def test_a_selector_that_makes_no_sense_is_refused(client: Client, namespace: str) -> None:
    with pytest.raises(Invalid):
        await client.list(VIRTUAL_MACHINES, namespace, labels="a in b")
    with pytest.raises(Invalid):
        await client.list(VIRTUAL_MACHINES, namespace, fields="spec.memory=1Gi")


async def test_a_table_has_cells_in_the_order_of_its_columns(any_api: Api, client: Client, namespace: str) -> None:
    await _make(client, namespace, "a", "b")
    observed: JsonObject = {"phase": "Running", "ipAddresses": ["10.0.0.5"]}
    await client.patch(VIRTUAL_MACHINES, namespace, "a", {"status": observed}, subresource="status")
    async with http(any_api) as request:
        table = await request("GET", VIRTUAL_MACHINES.path(namespace), Accept=TABLE)
    assert (table.at("kind"), table.at("apiVersion")) == ("Table", "meta.k8s.io/v1")
    columns = table.at("columnDefinitions")
    assert isinstance(columns, list)
    assert [at(column, "name") for column in columns] == ["Name", "Status", "CPUs", "Memory", "Node", "IPs", "Age"]
    assert at(columns[0], "format") == "name"
    cells = table.at("rows", 0, "cells")
    assert isinstance(cells, list)
    assert cells[:-1] == ["a", "Running", 1, "256Mi", None, "10.0.0.5"]
    assert str(cells[-1])[-1] in "smh"
    assert table.at("rows", 0, "object", "kind") == "PartialObjectMetadata"
    assert table.at("rows", 0, "object", "metadata", "name") == "a"
    assert table.at("rows", 0, "object", "spec") is None


async def test_a_table_can_leave_the_objects_out_or_whole(any_api: Api, client: Client, namespace: str) -> None:
    await _make(client, namespace, "a")
    path = VIRTUAL_MACHINES.path(namespace)
    async with http(any_api) as request:
        bare = await request("GET", path, query={"includeObject": "None"}, Accept=TABLE)
        whole = await request("GET", path, query={"includeObject": "Object"}, Accept=TABLE)
    assert bare.at("rows", 0, "object") is None
    assert whole.at("rows", 0, "object", "spec", "memory") == "256Mi"


async def test_a_table_of_one_object_has_one_row(any_api: Api, client: Client, namespace: str) -> None:
    await _make(client, namespace, "a")
    async with http(any_api) as request:
        table = await request("GET", VIRTUAL_MACHINES.path(namespace, "a"), Accept=TABLE)
    assert table.at("rows", 0, "cells", 0) == "a"
    assert table.at("rows", 1) is None


async def test_tables_come_in_pages_too(any_api: Api, client: Client, namespace: str) -> None:
    await _make(client, namespace, "a", "b", "c")
    path = VIRTUAL_MACHINES.path(namespace)
    async with http(any_api) as request:
        first = await request("GET", path, query={"limit": "2"}, Accept=TABLE)
        token = str(first.at("metadata", "continue"))
        rest = await request("GET", path, query={"limit": "2", "continue": token}, Accept=TABLE)
    assert [table.at("rows", 0, "cells", 0) for table in (first, rest)] == ["a", "c"]


async def test_metadata_can_be_read_alone(any_api: Api, client: Client, namespace: str) -> None:
    await _make(client, namespace, "a")
    async with http(any_api) as request:
        answer = await request("GET", VIRTUAL_MACHINES.path(namespace), Accept=METADATA)
    assert answer.at("kind") == "PartialObjectMetadataList"
    assert answer.at("items", 0, "metadata", "labels") == {"name": "a"}
    assert answer.at("items", 0, "spec") is None
