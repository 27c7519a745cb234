"""client-go's dynamic informer, the heart of every operator written in Go, lives on both servers."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from hypersdk.kube.client import Client
from hypersdk.model.kinds import VIRTUAL_MACHINES
from tests.api.builders import virtual_machine
from tests.controlplane.api import Server
from tests.controlplane.proxy import RefusingFront, through
from tests.goclient.build import goclient

TOO_MANY = 429


@dataclass
class Output:
    """What the program says, line by line."""

    out: asyncio.StreamReader

    async def until(self, line: str) -> list[str]:
        """Every line up to that one."""
        said: list[str] = []
        try:
            async with asyncio.timeout(40):
                while line not in said:
                    raw = await self.out.readline()
                    assert raw, f"it ended after {said}"
                    said.append(raw.decode().strip())
        except TimeoutError as error:
            raise AssertionError(f"no {line!r} came; these did: {said}") from error
        return said


@pytest.fixture(scope="session")
def program() -> Path:
    """The program, built when it is not there yet."""
    return goclient(os.environ)


@asynccontextmanager
async def _running(program: Path, command: str, kubeconfig: str, namespace: str) -> AsyncIterator[Output]:
    arguments = ["--kubeconfig", kubeconfig, "--namespace", namespace, command]
    process = await asyncio.create_subprocess_exec(program, *arguments, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield Output(process.stdout)
    finally:
        with suppress(ProcessLookupError):  # it may have come to its end
            process.terminate()
        await process.wait()


async def _make(client: Client, namespace: str, *wanted: str) -> None:
    for name in wanted:
        await client.create(VIRTUAL_MACHINES, namespace, virtual_machine(name))


async def _resize(client: Client, namespace: str, name: str, cpus: int) -> None:
    await client.patch(VIRTUAL_MACHINES, namespace, name, {"spec": {"cpus": cpus}})


async def test_it_lists_in_pages_and_hears_a_bookmark(
    program: Path, any_server: Server, client: Client, namespace: str
) -> None:
    await _make(client, namespace, "a", "b", "c")
    async with _running(program, "list", str(any_server.api.kubeconfig), namespace) as listing:
        assert await listing.until("watching") == ["page a b", "page c", "watching"]
        await _make(client, "default", f"far-{namespace}")
        assert await listing.until("bookmark") == ["bookmark"]
    await client.delete(VIRTUAL_MACHINES, "default", f"far-{namespace}")


async def test_an_informer_hears_every_change(
    program: Path, any_server: Server, client: Client, namespace: str
) -> None:
    await _make(client, namespace, "a", "b", "c")
    async with _running(program, "follow", str(any_server.api.kubeconfig), namespace) as informer:
        assert sorted(await informer.until("synced")) == ["add a 1", "add b 1", "add c 1", "list", "synced"]
        await _make(client, namespace, "d")
        await _resize(client, namespace, "d", 2)
        await client.delete(VIRTUAL_MACHINES, namespace, "d")
        assert await informer.until("delete d 2") == ["add d 1", "update d 2", "delete d 2"]


@pytest.mark.timeout(120)
async def test_an_informer_lists_again_when_its_version_is_forgotten(
    program: Path, any_server: Server, client: Client, namespace: str
) -> None:
    await _make(client, namespace, "a", "b")
    async with RefusingFront(any_server.api) as front:
        kubeconfig = through(any_server.api, front.port, "http").kubeconfig
        async with _running(program, "follow", kubeconfig, namespace) as informer:
            await informer.until("synced")
            await _resize(client, namespace, "b", 2)
            await informer.until("update b 2")  # only a watch that has brought something is gone on with
            front.refusals = [TOO_MANY] * 1000
            front.cut()
            await informer.until("watch")
            await client.delete(VIRTUAL_MACHINES, namespace, "a")
            await _resize(client, namespace, "b", 3)
            await _make(client, namespace, "c")
            any_server.forget()
            front.refusals = []
            await informer.until("list")
            await _make(client, namespace, "d")
            said = await informer.until("add d 1")
    assert {"delete unseen a 1", "update b 3", "add c 1"} <= set(said)
