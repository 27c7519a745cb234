"""Our own watch keeps a cache equal to the server, whatever happens to the connection in between."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from hypersdk.kube.cache import Cache, Health, Key
from hypersdk.kube.client import Client
from hypersdk.kube.endpoint import connect
from hypersdk.kube.watch import Pace, Watch
from hypersdk.model.kinds import VIRTUAL_MACHINES
from hypersdk.model.virtualmachine import Phase, VirtualMachine
from tests.api.builders import at, virtual_machine
from tests.controlplane.api import Api, Server
from tests.controlplane.caches import names, running, until
from tests.controlplane.kubectl import Kubectl
from tests.controlplane.proxy import CuttingProxy, port_of, through

QUICK = Pace(first_retry=0.02, longest_retry=0.2, inactivity=30)


async def _make(client: Client, namespace: str, *wanted: str) -> None:
    for name in wanted:
        await client.create(VIRTUAL_MACHINES, namespace, virtual_machine(name))


def _watch(client: Client, namespace: str, pace: Pace = QUICK, fields: str = "") -> Watch[VirtualMachine]:
    cache: Cache[VirtualMachine] = Cache()
    return Watch(client, VIRTUAL_MACHINES, cache, namespace=namespace, fields=fields, pace=pace)


def _has_cpus(cache: Cache[VirtualMachine], key: Key, cpus: int) -> bool:
    return cache.objects[key].spec.cpus == cpus


@asynccontextmanager
async def _client_through(api: Api, proxy: CuttingProxy) -> AsyncIterator[Client]:
    client = Client(await connect(through(api, proxy.port)))
    try:
        yield client
    finally:
        await client.close()


async def test_cache_has_what_was_there_and_what_comes(client: Client, namespace: str) -> None:
    await _make(client, namespace, "a", "b")
    async with running(_watch(client, namespace)) as cache:
        assert names(cache) == {"a", "b"}
        assert cache.health is Health.LIVE
        await _make(client, namespace, "c")
        await client.delete(VIRTUAL_MACHINES, namespace, "a")
        await client.patch(VIRTUAL_MACHINES, namespace, "b", {"status": {"phase": "Running"}}, subresource="status")
        await until(cache, lambda: names(cache) == {"b", "c"})
        await until(cache, lambda: cache.objects[namespace, "b"].phase is Phase.RUNNING)


async def test_cache_of_a_node_has_only_its_machines(client: Client, namespace: str) -> None:
    await _make(client, namespace, "a", "b")
    async with running(_watch(client, namespace, fields="status.nodeName=n1")) as cache:
        assert names(cache) == set()
        await client.patch(VIRTUAL_MACHINES, namespace, "a", {"status": {"nodeName": "n1"}}, subresource="status")
        await until(cache, lambda: names(cache) == {"a"})
        await client.patch(VIRTUAL_MACHINES, namespace, "a", {"status": {"nodeName": "n2"}}, subresource="status")
        await until(cache, lambda: names(cache) == set())


async def test_cut_connections_lose_nothing(any_api: Api, client: Client, namespace: str) -> None:
    await _make(client, namespace, "a", "b")
    async with (
        CuttingProxy(port_of(any_api)) as proxy,
        _client_through(any_api, proxy) as far,
        running(_watch(far, namespace)) as cache,
    ):
        for cpus in range(2, 7):
            proxy.cut()
            await client.patch(VIRTUAL_MACHINES, namespace, "b", {"spec": {"cpus": cpus}})
            await until(cache, partial(_has_cpus, cache, (namespace, "b"), cpus))
        assert names(cache) == {"a", "b"}
        assert proxy.accepted > 5


async def test_what_changes_while_the_server_is_out_of_reach_is_seen_afterwards(
    any_api: Api, client: Client, namespace: str
) -> None:
    await _make(client, namespace, "a", "b")
    async with (
        CuttingProxy(port_of(any_api)) as proxy,
        _client_through(any_api, proxy) as far,
        running(_watch(far, namespace)) as cache,
    ):
        proxy.refusing = True
        proxy.cut()
        await until(cache, lambda: cache.health is Health.STALE)
        assert names(cache) == {"a", "b"}, "the last state stays readable"
        assert str(proxy.port) in cache.error
        await client.delete(VIRTUAL_MACHINES, namespace, "a")
        await _make(client, namespace, "c")
        proxy.refusing = False
        await until(cache, lambda: names(cache) == {"b", "c"})
        await until(cache, lambda: cache.health is Health.LIVE)


async def test_a_silent_connection_counts_as_dead(any_api: Api, client: Client, namespace: str) -> None:
    pace = Pace(first_retry=0.02, longest_retry=0.1, inactivity=0.3)
    async with (
        CuttingProxy(port_of(any_api)) as proxy,
        _client_through(any_api, proxy) as far,
        running(_watch(far, namespace, pace)) as cache,
    ):
        await until(cache, lambda: cache.health is Health.STALE)
        await _make(client, namespace, "a")
        await until(cache, lambda: names(cache) == {"a"})


async def test_a_server_that_restarts_is_found_again(any_server: Server, client: Client, kubectl: Kubectl) -> None:
    namespace = kubectl.namespace
    await _make(client, namespace, "a", "b")
    uids = {vm.metadata.uid for vm in await client.list(VIRTUAL_MACHINES, namespace)}
    async with running(_watch(client, namespace)) as cache:
        any_server.restart()
        kubectl("delete", "vm", "a")
        kubectl.apply(virtual_machine("c"))
        await until(cache, lambda: names(cache) == {"b", "c"} and cache.health is Health.LIVE)
        assert cache.objects[namespace, "b"].metadata.uid in uids, "nothing was made anew"


def test_versions_go_on_after_a_restart(any_server: Server, kubectl: Kubectl) -> None:
    kubectl.apply(virtual_machine("web"))
    before = at(kubectl.json("get", "vm", "web"), "metadata", "resourceVersion")
    any_server.restart()
    assert at(kubectl.json("get", "vm", "web"), "metadata", "resourceVersion") == before
    kubectl.apply(virtual_machine("web", cpus=2))
    after = at(kubectl.json("get", "vm", "web"), "metadata", "resourceVersion")
    assert int(str(after)) > int(str(before))
