"""A running VM's moment is read where QEMU shows it: gone on with after a kill, begun anew when QEMU is gone."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.node.backups.chain import read_chain
from controller.node.backups.fetching import Fetching
from controller.node.backups.index import read_index
from controller.node.backups.journal import scratch_of
from controller.node.backups.making import folder_of
from controller.node.backups.verify import verify
from hypersdk.errors import Transient
from tests.unit.node.backups.bench import Bench, Died, ShowingHost, backup, quiet

RAW = {"type": "raw"}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def host(bench: Bench) -> Iterator[ShowingHost]:
    host = bench.run()
    yield host
    host.end()


async def content(bench: Bench, folder: str, to: Path) -> bytes:
    """The disk as a restore gets it."""
    await asyncio.to_thread(to.mkdir)
    chain = await read_chain(bench.place, folder)
    return (await Fetching(bench.place, to, 2**40, lambda _: None).disk("data", chain)).path.read_bytes()


async def test_killed_controller_goes_on_with_the_same_moment(bench: Bench, host: ShowingHost, tmp_path: Path) -> None:
    job = backup(format=RAW)
    with pytest.raises(Died):
        await bench.maker(dies_at=2).make(job, bench.vm(), quiet)
    stored = bench.objects()
    bench.write("write -P 0x77 64k 512k")
    made = await bench.maker().make(job, bench.vm(), quiet)
    assert (host.asked.count("show"), len(stored) > 0, made.capture.consistency) == (1, True, "FileSystemsFrozen")
    assert host.at == ""
    expected = bytes(64 << 10) + b"\x2a" * (512 << 10) + bytes(448 << 10)
    assert await content(bench, folder_of(job), tmp_path / "back") == expected


async def test_moment_that_ended_with_qemu_leaves_nothing_and_another_is_taken(
    bench: Bench, host: ShowingHost, tmp_path: Path
) -> None:
    job = backup(format=RAW)
    with pytest.raises(Died):
        await bench.maker(dies_at=3).make(job, bench.vm(), quiet)
    host.end()
    bench.write("write -z 64k 512k")
    await bench.maker().make(job, bench.vm(), quiet)
    assert host.asked.count("show") == 2
    assert bench.objects() == bench.named(folder_of(job)) | {"index.json"}
    assert await content(bench, folder_of(job), tmp_path / "back") == bytes(1 << 20)


async def test_qemu_that_ends_while_it_is_read_is_no_backup(bench: Bench, host: ShowingHost) -> None:
    def ends(phase: str, done: int, total: int) -> None:
        host.end()

    with pytest.raises(Transient):
        await bench.maker().make(backup(format=RAW), bench.vm(), ends)
    assert not any(name.endswith("manifest.json") for name in bench.objects())
    await bench.maker().undo(backup(format=RAW), bench.vm())
    assert (bench.objects(), bench.scratch()) == (set(), [])


async def test_guest_is_let_go_once_all_is_stored(bench: Bench, host: ShowingHost) -> None:
    job = backup(format=RAW)
    with pytest.raises(Died):
        # Its five pieces are there: the next thing to be written is its manifest.
        await bench.maker(dies_at=5).make(job, bench.vm(), quiet)
    assert host.at == ""
    made = await bench.maker().make(job, bench.vm(), quiet)
    assert host.asked.count("show") == 1
    assert (await verify(bench.place, folder_of(job), made.sha256)).ok
    assert [one.job for one in (await read_index(bench.place)).backups] == ["nightly"]


async def test_state_of_the_machine_is_stored_privately_and_checked(bench: Bench) -> None:
    bench.state()
    job = backup()
    made = await bench.maker().make(job, bench.vm(), quiet)
    folder = bench.root / "vault/default/web" / folder_of(job)
    capture = scratch_of(bench.maker().root, job.metadata.uid).folder / "capture.json"
    assert {path.stat().st_mode & 0o777 for path in (*folder.iterdir(), capture)} == {0o600}
    assert bench.objects() == bench.named(folder_of(job)) | {"index.json"}
    assert (await verify(bench.place, folder_of(job), made.sha256)).ok
    (folder / "machine.tpm.zst").unlink()
    verdict = await verify(bench.place, folder_of(job), made.sha256)
    assert (verdict.ok, "machine.tpm.zst is missing" in verdict.words) == (False, True)
    await bench.maker().undo(job, bench.vm())
    assert bench.objects() == {"index.json"}
