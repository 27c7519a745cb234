"""A backup is whole or not there, wherever the controller dies; retention keeps chains; damage is told by name."""

import asyncio
import itertools
import json
import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from controller.node.backups.chain import read_chain
from controller.node.backups.fetching import Fetched, Fetching
from controller.node.backups.index import Entry, Index, read_index
from controller.node.backups.journal import Scratch
from controller.node.backups.making import folder_of
from controller.node.backups.manifest import Part, digest
from controller.node.backups.series import LONGEST_CHAIN, base_for, expired
from controller.node.backups.verify import verify
from hypersdk.errors import Terminal, Transient
from hypersdk.model.backupjob import BackupRetention
from tests.unit.node.backups.bench import NOW, Bench, Died, backup, quiet, sockets


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def restored(bench: Bench, folder: str, to: Path) -> bytes:
    """The disk as a restore gets it."""
    await asyncio.to_thread(to.mkdir)
    chain = await read_chain(bench.place, folder)
    fetched = await Fetching(bench.place, to, 2**40, lambda _: None).disk("data", chain)
    return fetched.path.read_bytes()


@pytest.mark.parametrize(
    ("form", "suffix"),
    [
        (None, "qcow2.zst"),
        ({"type": "qcow2"}, "qcow2"),
        ({"type": "raw"}, "raw"),
        ({"type": "raw", "compression": True, "compressionLevel": 9}, "raw.zst"),
    ],
)
async def test_disk_comes_back_as_it_was(bench: Bench, tmp_path: Path, form: object, suffix: str) -> None:
    job = backup(format=form) if form else backup()
    made = await bench.maker().make(job, bench.vm(), quiet)
    folder = folder_of(job)
    assert f"{folder}/data.{suffix}.00000" in bench.objects() or suffix == "raw.zst"
    assert bench.objects() == bench.named(folder) | {"index.json"}
    verdict = await verify(bench.place, folder, made.sha256)
    assert (verdict.ok, verdict.reason) == (True, "Restorable")
    content = await restored(bench, folder, tmp_path / "back")
    if suffix.startswith("raw"):
        assert content == bytes(64 * 1024) + b"\x2a" * 512 * 1024 + bytes(448 * 1024)


async def test_death_at_any_write_is_gone_on_from(tmp_path: Path) -> None:
    for number in itertools.count():
        await asyncio.to_thread((tmp_path / str(number)).mkdir)
        bench = Bench(tmp_path / str(number))
        job = backup()
        try:
            made = await bench.maker(dies_at=number).make(job, bench.vm(), quiet)
        except Died:
            # The machine may have been booted meanwhile.
            await asyncio.to_thread(shutil.rmtree, sockets() / job.metadata.uid, ignore_errors=True)
            made = await bench.maker().make(job, bench.vm(), quiet)
        else:
            assert number > 5
            break
        await bench.maker().finish(job)
        assert bench.objects() == bench.named(folder_of(job)) | {"index.json"}
        assert (await verify(bench.place, folder_of(job), made.sha256)).ok
        assert bench.scratch() == []


async def test_death_at_any_write_and_then_an_end_leaves_nothing(tmp_path: Path) -> None:
    for number in itertools.count():
        await asyncio.to_thread((tmp_path / str(number)).mkdir)
        bench = Bench(tmp_path / str(number))
        kept, job = backup("kept"), backup("ended", "5f8a0f4e-6f7c-4b51-9b9e-0c3f3f6b1a02")
        await bench.maker().make(kept, bench.vm(), quiet)
        await bench.maker().finish(kept)
        before = bench.objects()
        try:
            await bench.maker(dies_at=number).make(job, bench.vm(), quiet)
        except Died:
            is_last = False
        else:
            is_last = True
        await bench.maker().undo(job, bench.vm())
        assert bench.objects() == before
        assert bench.scratch() == []
        assert {"thaw", "abort", f"drop hypersdk-{job.metadata.uid}"} <= set(bench.host.asked) or number == 0
        if is_last:
            break


async def test_disk_that_changes_while_it_is_read_is_read_anew_and_leaves_nothing(bench: Bench) -> None:
    def meddle(phase: str, done: int, total: int) -> None:
        bench.write("write -P 0x11 768k 64k")

    job = backup(format={"type": "qcow2"})
    with pytest.raises(Transient, match="was started"):
        await bench.maker().make(job, bench.vm(), meddle)
    (bench.root / "vault/default/web" / folder_of(job) / "data.qcow2.00004").write_text("of the other moment")
    Scratch(bench.scratch()[0]).stored("data", 4, Part(key="data.qcow2.00004", bytes=1))
    made = await bench.maker().make(job, bench.vm(), quiet)
    assert made.capture.consistency == "PoweredOff"
    assert bench.objects() == bench.named(folder_of(job)) | {"index.json"}
    assert (await verify(bench.place, folder_of(job), made.sha256)).ok


@pytest.mark.parametrize("harm", ["missing", "short", "long", "flipped"])
async def test_harm_is_told_with_the_object(bench: Bench, tmp_path: Path, harm: str) -> None:
    job = backup(format={"type": "raw"})
    await bench.maker().make(job, bench.vm(), quiet)
    part = bench.root / "vault/default/web" / folder_of(job) / "data.raw.00001"
    content = part.read_bytes()
    match harm:
        case "missing":
            part.unlink()
        case "short":
            part.write_bytes(content[:-1])
        case "long":
            part.write_bytes(content + b"x")
        case "flipped":
            part.write_bytes(b"\xff" + content[1:])
    verdict = await verify(bench.place, folder_of(job), "")
    assert (verdict.ok, "data.raw.00001" in verdict.words) == (False, True)
    with pytest.raises(Terminal, match=r"data\.raw\.00001"):
        await restored(bench, folder_of(job), tmp_path / "back")


async def test_manifest_that_was_exchanged_is_not_believed(bench: Bench) -> None:
    made = await bench.maker().make(backup(), bench.vm(), quiet)
    path = bench.root / "vault/default/web" / folder_of(backup()) / "manifest.json"
    path.write_text(path.read_text().replace('"web"', '"bew"'))
    verdict = await verify(bench.place, folder_of(backup()), made.sha256)
    assert (verdict.ok, verdict.reason) == (False, "BackupInvalid")


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        ("base is missing", "ChainBroken"),
        ("base was exchanged", "BackupInvalid"),
        ("base is damaged", "BackupInvalid"),
        ("base lacks the disk", "BackupInvalid"),
        ("nothing", "Restorable"),
    ],
)
async def test_incremental_backup_is_as_good_as_what_it_stands_on(bench: Bench, harm: str, reason: str) -> None:
    base, job = backup("base"), backup("top", "5f8a0f4e-6f7c-4b51-9b9e-0c3f3f6b1a02")
    root = bench.root / "vault/default/web"
    made = await bench.maker().make(base, bench.vm(), quiet)
    await bench.maker().make(job, bench.vm(), quiet)
    below, path = root / folder_of(base), root / folder_of(job) / "manifest.json"
    if harm == "base lacks the disk":
        content = (below / "manifest.json").read_text().replace('"data"', '"other"')
        (below / "manifest.json").write_text(content)
        made = replace(made, sha256=digest(content.encode()))
    told = json.loads(path.read_text())
    told |= {"kind": "Incremental", "base": {"folder": folder_of(base), "sha256": made.sha256}}
    path.write_text(json.dumps(told))
    match harm:
        case "base is missing":
            (below / "manifest.json").unlink()
        case "base was exchanged":
            shutil.copy(path, below / "manifest.json")
        case "base is damaged":
            (below / "data.qcow2.zst.00000").write_bytes(b"x")
    verdict = await verify(bench.place, folder_of(job), "")
    assert (verdict.reason, verdict.ok) == (reason, reason == "Restorable"), verdict.words
    assert verdict.ok or folder_of(base) in verdict.words


async def test_retention_removes_what_no_rule_keeps(bench: Bench) -> None:
    for number in range(3):
        job = backup(f"n{number}", f"5f8a0f4e-6f7c-4b51-9b9e-0c3f3f6b1a0{number}", retention={"keepDaily": 1})
        made = await bench.maker().make(job, bench.vm(), quiet)
    assert made.thinned == ("n1",)
    index = await read_index(bench.place)
    assert [one.job for one in index.backups] == ["n2"]
    assert bench.objects() == bench.named(folder_of(job)) | {"index.json"}


def entry(name: str, days: float, base: str = "", **more: object) -> Entry:
    fields = {"folder": name, "uid": name, "job": name, "created": NOW - timedelta(days=days), "sha256": "0" * 64}
    return Entry.model_validate(fields | {"base": base, "vm_uid": "vm", "layers": {"root": "a"}} | more)


def names(entries: list[Entry]) -> set[str]:
    return {one.job for one in entries}


def test_retention_keeps_the_newest_of_each_day_week_month_and_year_with_what_they_stand_on() -> None:
    index = Index(backups=[entry(f"d{days}", days) for days in range(800, -1, -1)])
    keeps = BackupRetention(keep_daily=3, keep_weekly=2, keep_monthly=2, keep_yearly=2)
    kept = {one.job for one in index.backups} - names(expired(index, keeps))
    assert {datetime.date(one.created).isoformat() for one in index.backups if one.job in kept} == {
        *("2026-11-23", "2026-11-22", "2026-11-21"),
        "2026-10-31",
        "2025-12-31",
    }
    assert expired(index, BackupRetention()) == []
    chain = Index(backups=[entry("full", 9), entry("a", 8, "full"), entry("b", 7, "a"), entry("other", 6)])
    assert names(expired(chain.with_(entry("c", 0, "b")), BackupRetention(keep_daily=1))) == {"other"}


def test_incremental_stands_on_the_newest_or_says_why_not() -> None:
    layers, marks = {"root": "a"}, ["hypersdk-b"]
    index = Index(backups=[entry("a", 2), entry("b", 1, "a")])
    assert base_for(index, "vm", layers, marks)[0] == index.backups[1]
    assert base_for(index, "vm", layers, marks, "b")[0] == index.backups[1]
    assert base_for(index, "vm", layers, ["hypersdk-a"])[0] == index.backups[0]
    for found, why in (
        (base_for(Index(), "vm", layers, marks), "the first"),
        (base_for(index, "another", layers, marks), "the first"),
        (base_for(index, "vm", layers, marks, "none"), "no backup none"),
        (base_for(index, "vm", layers, []), "nothing marks"),
        (base_for(index, "vm", {"root": "a@1"}, marks), "other layers"),
        (base_for(index.without({"a"}), "vm", layers, marks), "chain of b is broken"),
    ):
        assert found[0] is None
        assert why in found[1]
    long = [entry("0", 99), *(entry(str(n), 99 - n, str(n - 1)) for n in range(1, LONGEST_CHAIN))]
    assert "stand on each other" in base_for(Index(backups=long), "vm", layers, [f"hypersdk-{LONGEST_CHAIN - 1}"])[1]


def test_what_was_fetched_becomes_the_disk_where_it_can(tmp_path: Path) -> None:
    path, place, elsewhere = tmp_path / "x.0.qcow2", tmp_path / "disk.qcow2", Path("/proc/disk.qcow2")
    path.write_bytes(b"content")
    place.write_bytes(b"of an earlier try")
    assert Fetched(path, "qcow2", is_alone=True).became(place)
    assert (place.read_bytes(), path.read_bytes()) == (b"content", b"content")
    for whole in (Fetched(path, "raw", is_alone=True), Fetched(path, "qcow2", is_alone=False)):
        assert not whole.became(tmp_path / "other.qcow2")
    assert not Fetched(path, "qcow2", is_alone=True).became(elsewhere)
