"""The embedded API's disk: killed at random moments, full, damaged. `make soak` kills it 100 times."""

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from pydantic import JsonValue

from hypersdk.model.base import JsonObject
from tests.api.builders import at
from tests.api.http import Http, http
from tests.controlplane.build import Binaries
from tests.controlplane.embedded import EmbeddedServer

KILLS = int(os.environ.get("HYPERSDK_KILLS", "5"))
WRITERS = 6
PLACE = "/api/v1/namespaces/default/configmaps"
MERGE = "application/merge-patch+json"
GONE = 410


@pytest.fixture
def server(tmp_path: Path, binaries_of_kubernetes: Binaries) -> Iterator[EmbeddedServer]:
    """A server of the test's own."""
    made = EmbeddedServer(tmp_path, binaries_of_kubernetes)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@dataclass
class Known:
    """What the writers were told, and what the watcher heard."""

    acknowledged: dict[str, int] = field(default_factory=dict)
    tried: dict[str, int] = field(default_factory=dict)
    version: int = 0
    """The highest resourceVersion that anybody was told."""
    heard: dict[str, int] = field(default_factory=dict)
    heard_up_to: str = ""
    writes: int = 0


def _count(obj: JsonValue) -> int:
    """The number in an object, which it has twice: a torn one would not agree with itself."""
    count = str(at(obj, "data", "n"))
    assert count == str(at(obj, "data", "again")), obj
    return int(count)


async def _write_for_ever(request: Http, name: str, known: Known, enough: asyncio.Event, until: int) -> None:
    """Count one object up, until the server is no more."""
    with suppress(aiohttp.ClientError, OSError):
        while True:
            known.tried[name] = number = known.tried.get(name, 0) + 1
            data: JsonObject = {"n": str(number), "again": str(number), "bulk": "x" * random.randrange(4000)}
            if name in known.acknowledged or number > 1:
                answer = await request("PATCH", f"{PLACE}/{name}", body={"data": data}, Content_Type=MERGE)
            else:
                answer = await request("POST", PLACE, body={"metadata": {"name": name}, "data": data})
            if answer.code == 404:  # the first write was never made
                known.tried[name] = 0
                continue
            assert answer.code in {200, 201}, answer.body
            known.acknowledged[name] = number
            known.version = max(known.version, int(str(answer.at("metadata", "resourceVersion"))))
            known.writes += 1
            if known.writes >= until:
                enough.set()


async def _listen(request: Http, known: Known, up_to: int) -> None:
    """Watch from where the watcher was; list again after a 410. Ends with the server, or at that version."""
    with suppress(aiohttp.ClientError, OSError, EOFError):
        async with request.watch(PLACE, resourceVersion=known.heard_up_to, allowWatchBookmarks="1") as stream:
            while True:
                event = await stream.event(seconds=60)
                if event["type"] == "ERROR":
                    assert at(event, "object", "code") == GONE
                    await _list(request, known)
                    return
                known.heard_up_to = str(at(event, "object", "metadata", "resourceVersion"))
                if event["type"] != "BOOKMARK":
                    known.heard[str(at(event, "object", "metadata", "name"))] = _count(event["object"])
                if int(known.heard_up_to) >= up_to > 0:
                    return


async def _list(request: Http, known: Known) -> dict[str, int]:
    """The stored numbers; the watcher knows them, too."""
    listed = await request("GET", PLACE)
    items = listed.at("items")
    assert isinstance(items, list)
    known.heard = {str(at(one, "metadata", "name")): _count(one) for one in items}
    known.heard_up_to = str(listed.at("metadata", "resourceVersion"))
    return known.heard


async def _run_until_killed(server: EmbeddedServer, known: Known, writes: int) -> None:
    enough = asyncio.Event()
    async with http(server.api) as request, asyncio.TaskGroup() as group:
        if not known.heard_up_to:
            await _list(request, known)
        group.create_task(_listen(request, known, 0))
        for number in range(WRITERS):
            group.create_task(_write_for_ever(request, f"w-{number}", known, enough, known.writes + writes))
        await enough.wait()
        server.kill()


async def _check(server: EmbeddedServer, known: Known) -> None:
    """Nothing acknowledged is lost, nothing is torn, versions went on, and the watcher can go on."""
    async with http(server.api) as request:
        listed = await request("GET", PLACE)
        version = int(str(listed.at("metadata", "resourceVersion")))
        assert version >= known.version
        items = listed.at("items")
        assert isinstance(items, list)
        stored = {str(at(one, "metadata", "name")): _count(one) for one in items}
        for name, number in known.acknowledged.items():
            assert number <= stored[name] <= known.tried[name], name
        if int(known.heard_up_to) < version:
            await _listen(request, known, version)
        assert known.heard == stored
        known.acknowledged = dict(stored)
        known.tried = dict(stored)
        known.version = version


@pytest.mark.timeout(60 + 10 * KILLS)
async def test_killed_at_random_moments_it_loses_no_acknowledged_write(server: EmbeddedServer) -> None:
    known = Known()
    for _ in range(KILLS):
        await _run_until_killed(server, known, random.randrange(1, 120))
        await asyncio.to_thread(server.stop)
        server.start()
        await _check(server, known)
    assert len(known.acknowledged) == WRITERS


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of three megabytes."""
    place = tmp_path / "state"
    place.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m,mode=700", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def _enlarge(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=30m", str(disk)], check=True)


@pytest.mark.timeout(60)
async def test_a_full_disk_refuses_writes_clearly_and_keeps_what_is_there(
    small_disk: Path, tmp_path: Path, binaries_of_kubernetes: Binaries
) -> None:
    server = EmbeddedServer(tmp_path, binaries_of_kubernetes)
    server.start()
    try:
        kept = await _fill(server)
        _enlarge(small_disk)
        async with http(server.api) as request:
            answer = await request("POST", PLACE, body={"metadata": {"name": "after"}, "data": {"a": "b"}})
            assert answer.code == 201, answer.body
        server.kill()
        server.start()
        async with http(server.api) as request:
            items = (await request("GET", PLACE)).at("items")
            assert isinstance(items, list)
            assert {str(at(one, "metadata", "name")) for one in items} >= kept | {"after"}
    finally:
        server.stop()


async def _fill(server: EmbeddedServer) -> set[str]:
    """Write until that is refused; what was taken can still be read."""
    kept: set[str] = set()
    async with http(server.api) as request:
        for number in range(100):
            body: JsonObject = {"metadata": {"name": f"bulk-{number}"}, "data": {"x": "x" * 100_000}}
            answer = await request("POST", PLACE, body=body)
            if answer.code != 201:
                break
            kept.add(f"bulk-{number}")
        assert (answer.code, answer.at("reason")) == (500, "InternalError")
        assert "disk" in str(answer.at("message"))
        assert "full" in str(answer.at("message")), answer.body
        for name in kept:
            assert (await request("GET", f"{PLACE}/{name}")).code == 200
    return kept


def _command(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the server's program to its end."""
    state = ["--state", str(folder / "state"), "--kubeconfig", str(folder / "kubeconfig")]
    command = [sys.executable, "-m", "apiserver.main", *state, *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)


@pytest.mark.timeout(60)
async def test_a_damaged_database_is_told_and_everything_readable_comes_back(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    async with http(server.api) as request:
        for number in range(60):
            body: JsonObject = {"metadata": {"name": f"one-{number}"}, "data": {"x": "x" * 3000}}
            answer = await request("POST", PLACE, body=body)
            assert answer.code == 201
        version = int(str(answer.at("metadata", "resourceVersion")))
    server.stop()
    database = tmp_path / "state/objects.db"
    _damage(database)
    refused = _command(tmp_path)
    assert refused.returncode == 2
    assert "objects.db" in refused.stderr
    assert "--recover" in refused.stderr
    assert "Traceback" not in refused.stderr
    recovered = _command(tmp_path, "--recover")
    assert recovered.returncode == 0, recovered.stderr
    assert "objects recovered" in recovered.stdout
    server.start()
    async with http(server.api) as request:
        listed = await request("GET", PLACE)
        items = listed.at("items")
        assert isinstance(items, list)
        assert len([one for one in items if str(at(one, "metadata", "name")).startswith("one-")]) >= 50
        assert int(str(listed.at("metadata", "resourceVersion"))) > version
        async with request.watch(PLACE, resourceVersion=str(version)) as stream:
            assert at(await stream.event(), "object", "code") == GONE
    assert list(database.parent.glob("objects.db.damaged-*"))


def _damage(database: Path) -> None:
    """Overwrite two pages in the middle of the objects, and the root of the index over them."""
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = connection.execute("PRAGMA page_size").fetchone()[0]
    roots = dict(
        connection.execute("SELECT type || name, rootpage FROM sqlite_schema WHERE tbl_name='objects'").fetchall()
    )
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.close()
    index = next(page for name, page in roots.items() if name.startswith("index"))
    with database.open("r+b") as file:
        for page in (pages // 2, pages // 2 + 1, index):
            if page != roots["tableobjects"]:
                file.seek((page - 1) * size)
                file.write(os.urandom(size))
