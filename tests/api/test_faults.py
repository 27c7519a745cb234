"""Whatever goes wrong between a watch and its server: afterwards the cache is equal to the server's list."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml

from hypersdk.errors import Unauthorized
from hypersdk.kube.cache import Cache, Health, Key
from hypersdk.kube.client import Client
from hypersdk.kube.endpoint import Endpoint, connect
from hypersdk.kube.watch import Pace, Watch
from hypersdk.model.kinds import VIRTUAL_MACHINES
from hypersdk.model.virtualmachine import VirtualMachine
from tests.api.builders import virtual_machine
from tests.controlplane.api import Api, Server
from tests.controlplane.caches import running, until
from tests.controlplane.proxy import CuttingProxy, RefusingFront, port_of, through

QUICK = Pace(first_retry=0.02, longest_retry=0.2, inactivity=30)
IMPATIENT = Pace(first_retry=0.02, longest_retry=0.2, inactivity=0.5)


@asynccontextmanager
async def _client(endpoint: Endpoint) -> AsyncIterator[Client]:
    client = Client(await connect(endpoint))
    try:
        yield client
    finally:
        await client.close()


async def _make(client: Client, namespace: str, *wanted: str) -> None:
    for name in wanted:
        await client.create(VIRTUAL_MACHINES, namespace, virtual_machine(name))


async def _change(client: Client, namespace: str) -> None:
    """One of each: gone, changed, new, and gone and new again."""
    await client.delete(VIRTUAL_MACHINES, namespace, "a")
    await client.patch(VIRTUAL_MACHINES, namespace, "b", {"spec": {"cpus": 2}})
    await _make(client, namespace, "d")
    await client.delete(VIRTUAL_MACHINES, namespace, "c")
    await _make(client, namespace, "c")


def _watch(client: Client, namespace: str, pace: Pace = QUICK) -> Watch[VirtualMachine]:
    cache: Cache[VirtualMachine] = Cache()
    return Watch(client, VIRTUAL_MACHINES, cache, namespace=namespace, pace=pace)


def _known(objects: list[VirtualMachine]) -> dict[Key, str]:
    return {one.key: one.metadata.resource_version for one in objects}


async def _settles(cache: Cache[VirtualMachine], client: Client, namespace: str) -> None:
    """The cache is live again, and has what the server has, in the same versions."""
    wanted = _known(await client.list(VIRTUAL_MACHINES, namespace))
    await until(cache, lambda: cache.health is Health.LIVE and _known(list(cache)) == wanted)


async def test_a_connection_cut_in_the_middle_of_events(any_api: Api, client: Client, namespace: str) -> None:
    await _make(client, namespace, "a", "b", "c")
    async with (
        CuttingProxy(port_of(any_api)) as proxy,
        _client(through(any_api, proxy.port)) as far,
        running(_watch(far, namespace)) as cache,
    ):
        for bytes_more in (1, 40, 333, 700, 1500):
            proxy.allowance = bytes_more
            await client.patch(VIRTUAL_MACHINES, namespace, "b", {"spec": {"cpus": bytes_more % 100 + 1}})
            await client.patch(VIRTUAL_MACHINES, namespace, "c", {"spec": {"cpus": bytes_more % 100 + 1}})
        await _change(client, namespace)
        proxy.allowance = None
        await _settles(cache, client, namespace)


async def test_a_socket_that_hangs(any_api: Api, client: Client, namespace: str) -> None:
    await _make(client, namespace, "a", "b", "c")
    async with (
        CuttingProxy(port_of(any_api)) as proxy,
        _client(through(any_api, proxy.port)) as far,
        running(_watch(far, namespace, IMPATIENT)) as cache,
    ):
        proxy.flowing.clear()
        await until(cache, lambda: cache.health is Health.STALE)
        await _change(client, namespace)
        proxy.flowing.set()
        await _settles(cache, client, namespace)


async def _killed(server: Server, change: Callable[[], Awaitable[None]]) -> None:
    await change()
    await asyncio.to_thread(server.kill)
    server.restart()


async def _forgetful(server: Server, change: Callable[[], Awaitable[None]]) -> None:
    await change()
    server.forget()


@pytest.mark.parametrize("fault", [_killed, _forgetful], ids=["killed and started again", "has forgotten the version"])
async def test_a_server_that(
    fault: Callable[[Server, Callable[[], Awaitable[None]]], Awaitable[None]],
    any_server: Server,
    client: Client,
    namespace: str,
) -> None:
    await _make(client, namespace, "a", "b", "c")
    async with (
        CuttingProxy(port_of(any_server.api)) as proxy,
        _client(through(any_server.api, proxy.port)) as far,
        running(_watch(far, namespace)) as cache,
    ):
        proxy.refusing = True
        proxy.cut()
        await until(cache, lambda: cache.health is Health.STALE)

        async def change() -> None:
            await _change(client, namespace)

        await fault(any_server, change)
        proxy.refusing = False
        await _settles(cache, client, namespace)


async def test_a_server_that_is_killed_under_the_watch(any_server: Server, client: Client, namespace: str) -> None:
    await _make(client, namespace, "a", "b", "c")
    async with running(_watch(client, namespace)) as cache:
        await _change(client, namespace)
        await asyncio.to_thread(any_server.kill)
        await until(cache, lambda: cache.health is Health.STALE)
        any_server.restart()
        await _settles(cache, client, namespace)
        await client.delete(VIRTUAL_MACHINES, namespace, "d")
        await _settles(cache, client, namespace)


async def test_a_server_that_refuses_for_a_while(any_api: Api, client: Client, namespace: str) -> None:
    await _make(client, namespace, "a", "b", "c")
    async with (
        RefusingFront(any_api) as front,
        _client(through(any_api, front.port, "http")) as far,
        running(_watch(far, namespace)) as cache,
    ):
        front.refusals = [429, 500, 502, 503, 504, 429, 503]
        front.cut()
        await until(cache, lambda: cache.health is Health.STALE)
        await _change(client, namespace)
        await _settles(cache, client, namespace)
        assert front.refusals == []


PLUGIN = """
import json, pathlib, sys
runs, good = pathlib.Path(sys.argv[1]), sys.argv[2]
count = int(runs.read_text() or 0) + 1 if runs.exists() else 1
runs.write_text(str(count))
token = good if count != 2 else "outdated"
status = {"token": token, "expirationTimestamp": "2999-01-01T00:00:00Z"}
print(json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}))
"""


def _with_user(
    api: Api, folder: Path, user: Mapping[str, object], namespace: str = "default", server: str = ""
) -> Endpoint:
    """The API's kubeconfig with another way to sign in, as the context `other` that is not the current one."""
    config = yaml.safe_load(api.kubeconfig.read_text())
    cluster = config["contexts"][0]["context"]["cluster"]
    config["users"].append({"name": "other", "user": dict(user)})
    config["contexts"].append(
        {"name": "other", "context": {"cluster": cluster, "user": "other", "namespace": namespace}}
    )
    if server:
        config["clusters"][0]["cluster"] = {"server": server}
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return Endpoint(str(path), "other")


def _address(front: RefusingFront) -> str:
    return f"http://127.0.0.1:{front.port}"


async def test_a_token_file_that_is_renewed(any_api: Api, client: Client, namespace: str, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(any_api.token)
    await _make(client, namespace, "a", "b", "c")
    async with (
        RefusingFront(any_api) as front,
        _client(_with_user(any_api, tmp_path, {"tokenFile": str(token)}, server=_address(front))) as far,
        running(_watch(far, namespace)) as cache,
    ):
        front.refusals = [401]
        front.cut()
        await _change(client, namespace)
        await _settles(cache, client, namespace)
        assert front.refusals == []
        assert not cache.error


async def test_a_plugin_is_asked_for_a_new_token(any_api: Api, namespace: str, tmp_path: Path) -> None:
    script, runs = tmp_path / "plugin.py", tmp_path / "runs"
    script.write_text(PLUGIN)
    user = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": sys.executable,
            "args": [str(script), str(runs), any_api.token],
            "interactiveMode": "Never",
        }
    }
    runs.write_text("1")
    async with _client(_with_user(any_api, tmp_path, user)) as far:
        assert runs.read_text() == "2", "the second run gave an outdated token"
        await _make(far, namespace, "a")
        assert runs.read_text() == "3"
        assert [vm.metadata.name for vm in await far.list(VIRTUAL_MACHINES, namespace)] == ["a"]
        assert runs.read_text() == "3"


async def test_a_token_that_stays_wrong_is_refused_and_not_tried_for_ever(
    any_api: Api, namespace: str, tmp_path: Path
) -> None:
    async with _client(_with_user(any_api, tmp_path, {"token": "wrong"})) as far:
        with pytest.raises(Unauthorized):
            await far.list(VIRTUAL_MACHINES, namespace)


async def test_names_are_those_of_the_context(any_api: Api, namespace: str, tmp_path: Path) -> None:
    async with _client(_with_user(any_api, tmp_path, {"token": any_api.token}, namespace)) as far:
        assert far.namespace == namespace
        await _make(far, far.namespace, "a")
        assert {vm.metadata.name for vm in await far.list(VIRTUAL_MACHINES, namespace)} == {"a"}
