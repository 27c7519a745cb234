"""Objects on disk and in memory: order, acknowledgement, windows, restarts, kills."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from apiserver.refusal import Refusal
from apiserver.storage.collection import TooOld, Window
from apiserver.storage.database import Database, StorageError
from apiserver.storage.store import Store
from apiserver.storage.stored import Change, Key
from apiserver.storage.subscription import Subscription
from hypersdk.model.base import JsonObject

VMS = "virtualmachines.hypersdk.io"


def key(name: str, namespace: str = "default") -> Key:
    return Key(VMS, namespace, name)


def body(name: str, cpus: int = 1) -> JsonObject:
    return {"metadata": {"name": name, "labels": {"n": name}}, "spec": {"cpus": cpus}}


@asynccontextmanager
async def opened(folder: Path, window: Window | None = None) -> AsyncIterator[Store]:
    store = Store(Database(folder / "objects.db"), asyncio.get_running_loop(), window or Window())
    try:
        yield store
    finally:
        store.close()


def listed(store: Store, version: int = 0) -> list[str]:
    collection = store.collection(VMS)
    found = collection.at(version) if version else collection.current()
    return [f"{one.key.name}@{one.version}" for one in found]


async def test_a_write_is_there_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        first = await store.put(key("a"), body("a"))
        await store.put(key("b"), body("b"))
        await store.remove(key("a"), first.document())
        version = store.version
    async with opened(tmp_path) as store:
        assert store.version == version
        assert listed(store) == ["b@3"]
        found = store.get(key("b"))
        assert found is not None
        assert found.labels == {"n": "b"}
        assert (await store.put(key("c"), body("c"))).version > version


async def test_versions_go_up_in_the_order_of_publication(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        seen: list[int] = []
        store.listen(lambda change: seen.append(change.version))
        await asyncio.gather(*(store.put(key(f"n{n}"), body(f"n{n}")) for n in range(200)))
        assert seen == sorted(seen)
        assert len(seen) == 200
        assert store.version == seen[-1]


async def test_writers_of_one_object_wait_for_each_other(tmp_path: Path) -> None:
    async def count_up(store: Store) -> None:
        await store.settled(key("a"))
        found = store.get(key("a"))
        assert found is not None
        document = found.document()
        spec = document["spec"]
        assert isinstance(spec, dict)
        assert isinstance(spec["cpus"], int)
        spec["cpus"] += 1
        await store.put(key("a"), document)

    async with opened(tmp_path) as store:
        await store.put(key("a"), body("a", 0))
        await asyncio.gather(*(count_up(store) for _ in range(50)))
        found = store.get(key("a"))
        assert found is not None
        assert found.document()["spec"] == {"cpus": 50}


async def test_a_cancelled_writer_loses_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        writing = asyncio.ensure_future(store.put(key("a"), body("a")))
        await asyncio.sleep(0)
        writing.cancel()
        await store.settled(key("a"))
        assert listed(store) == ["a@2"]


async def test_the_past_can_be_listed(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        a = await store.put(key("a"), body("a"))
        b = await store.put(key("b"), body("b"))
        await store.put(key("b"), body("b", 2))
        c = await store.put(key("c"), body("c"))
        await store.remove(key("a"), a.document())
        assert listed(store, b.version) == ["a@2", "b@3"]
        assert listed(store, c.version) == ["a@2", "b@4", "c@5"]
        assert listed(store) == ["b@4", "c@5"]


async def test_below_the_window_everything_is_too_old(tmp_path: Path) -> None:
    async with opened(tmp_path, Window(changes=2)) as store:
        versions = [(await store.put(key("a"), body("a", n))).version for n in range(5)]
        collection = store.collection(VMS)
        assert [change.version for change in collection.since(versions[2])] == versions[3:]
        with pytest.raises(TooOld):
            collection.since(versions[1])


async def test_after_a_restart_the_last_version_goes_on_and_older_ones_are_too_old(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        first = await store.put(key("a"), body("a"))
        last = await store.put(key("a"), body("a", 2))
        await store.put(Key("secrets", "default", "s"), {"metadata": {"name": "s"}})
    async with opened(tmp_path) as store:
        assert store.collection(VMS).since(last.version) == []
        with pytest.raises(TooOld):
            store.collection(VMS).since(first.version)


async def test_namespaces_and_pages(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        for namespace, name in (("b", "1"), ("a", "2"), ("a", "1"), ("ab", "1")):
            await store.put(key(name, namespace), body(name))
        collection = store.collection(VMS)
        assert [one.key[1:] for one in collection.current("a")] == [("a", "1"), ("a", "2")]
        assert [one.key[1:] for one in collection.current("", ("a", "2"))] == [("ab", "1"), ("b", "1")]


async def test_a_write_that_fails_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.put(key("a"), body("a"))
        blocker = sqlite3.connect(tmp_path / "objects.db", isolation_level=None)
        blocker.execute("ALTER TABLE objects RENAME TO gone")
        with pytest.raises(Refusal, match="cannot write"):
            await store.put(key("a"), body("a", 2))
        assert listed(store) == ["a@2"]
        blocker.execute("ALTER TABLE gone RENAME TO objects")
        blocker.close()
        assert (await store.put(key("a"), body("a", 3))).version == 4


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "objects.db").write_bytes(b"this is not a database, and long enough to see that" * 100)
    with pytest.raises(StorageError, match=r"objects\.db"):
        Database(tmp_path / "objects.db")


def test_a_newer_format_is_left_alone(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "objects.db")
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(StorageError, match="format 99"):
        Database(tmp_path / "objects.db")


async def test_a_slow_watcher_is_broken_off(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        stored = await store.put(key("a"), body("a"))
        broken: list[str] = []
        many = Subscription(limit=2, on_break=lambda: broken.append("too many"))
        large = Subscription(size_limit=len(stored.raw) * 2, on_break=lambda: broken.append("too large"))
        for version in range(3):
            many.push(Change(version, key("a"), None, stored, stored))
            large.push(Change(version, key("a"), None, stored, stored))
        assert broken == ["too many", "too large"]
        assert (many.broken, await many.take(1)) == (True, [])
        assert (large.broken, await large.take(1)) == (True, [])


_WRITER = """
import asyncio, sys
from pathlib import Path
from apiserver.storage.database import Database
from apiserver.storage.store import Store
from apiserver.storage.stored import Key

async def main():
    store = Store(Database(Path(sys.argv[1])), asyncio.get_running_loop())
    async def write(worker):
        for n in range(10**6):
            document = {"metadata": {"name": str(worker)}, "n": n, "pad": "x" * 3000}
            stored = await store.put(Key("r", "", str(worker)), document)
            print(worker, n, stored.version, flush=True)
    await asyncio.gather(*(write(worker) for worker in range(8)))

asyncio.run(main())
"""


def killed_after(path: Path, acknowledged: int) -> list[tuple[str, int, int]]:
    """Worker, count and version of every write that was acknowledged before the writer was killed."""
    process = subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process, process.stdout as lines:
        told = [next(lines) for _ in range(acknowledged)]
        process.send_signal(signal.SIGKILL)
        told += lines.readlines()
    whole = [line.split() for line in told if line.endswith("\n")]
    return [(worker, int(n), int(version)) for worker, n, version in whole]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("acknowledged", [1, 20, 150])
async def test_a_kill_loses_no_acknowledged_write(tmp_path: Path, acknowledged: int) -> None:
    told = killed_after(tmp_path / "objects.db", acknowledged)
    async with opened(tmp_path) as store:
        for worker, n, _ in told:
            found = store.get(Key("r", "", worker))
            assert found is not None
            written = found.document()["n"]
            assert isinstance(written, int)
            assert written >= n
        assert store.version >= max(version for *_, version in told)
