"""The document's nightly example over days of virtual time: each night a backup of each VM that wants one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from controller.cluster.backups import BackupLeader
from controller.node.objects import Objects
from hypersdk.kube.cache import Cache
from hypersdk.kube.events import Recorder
from hypersdk.kube.watch import Watch
from hypersdk.model.backupjob import BackupJob
from hypersdk.model.backupschedule import BackupSchedule
from hypersdk.model.base import JsonObject, condition, rfc3339
from hypersdk.model.kinds import BACKUP_JOBS, BACKUP_SCHEDULES, RESTORE_JOBS, VIRTUAL_MACHINES
from hypersdk.model.marks import RUN_NOW
from hypersdk.model.restorejob import RestoreJob
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmnode import VMNode
from tests.flow.virtual import virtual_now
from tests.flow.world import World, play
from tests.unit.cluster.test_placement import node

EXAMPLE = Path(__file__).resolve().parents[2] / "deploy/examples/backupschedule-daily.yaml"
ROOT = "/apis/hypersdk.io/v1alpha1/namespaces/default"
DAY_S = 24 * 3600.0


def jobs(world: World) -> list[BackupJob]:
    return [
        BackupJob.model_validate(doc) for (path, _), doc in world.api.objects.items() if path == f"{ROOT}/backupjobs"
    ]


def nightly(world: World) -> BackupSchedule:
    return BackupSchedule.model_validate(world.api.objects[(f"{ROOT}/backupschedules", "vm-daily-backup")])


@asynccontextmanager
async def leader(world: World, *nodes: VMNode) -> AsyncIterator[None]:
    """The leader's part in backups alone: days of heartbeats would take minutes. Its end is as sudden as kill -9."""
    vms: Cache[VirtualMachine] = Cache()
    known: Cache[VMNode] = Cache()
    known.put(nodes)
    known.live(0.0)
    recorder = Recorder(world.client, "hypersdk-controller", "node-1", virtual_now)
    leading = BackupLeader(
        world.client, Objects(world.client, VIRTUAL_MACHINES, vms), known, recorder, virtual_now, "default"
    )
    tasks = [
        asyncio.ensure_future(Watch(world.client, VIRTUAL_MACHINES, vms, "default").run()),
        asyncio.ensure_future(leading.run()),
    ]
    try:
        await vms.synced.wait()
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def job_template() -> JsonObject:
    """The other shape of a schedule: one VM, and everything of its backups."""
    whole: JsonObject = {
        "source": {"provider": "libvirt", "vmName": "db"},
        "destination": {"type": "s3", "bucket": "vm-backups"},
        "incremental": {"enabled": True},
        "retention": {"keepDaily": 7},
    }
    return {"metadata": {"labels": {"tier": "gold"}}, "spec": whole}


async def apply(world: World, **changes: Any) -> None:
    """The document's schedule."""
    document = yaml.safe_load(EXAMPLE.read_text())
    del document["metadata"]["namespace"]
    document["spec"] |= changes
    document["spec"] = {key: value for key, value in document["spec"].items() if value is not None}
    await world.client.create(BACKUP_SCHEDULES, "default", document)


async def machine(world: World, name: str, node: str = "node-1", **labels: str) -> None:
    spec: JsonObject = {"cpus": 1, "memory": "1Gi"}
    body: JsonObject = {"metadata": {"name": name, "labels": {**labels}}, "spec": spec, "status": {"nodeName": node}}
    await world.client.create(VIRTUAL_MACHINES, "default", body)


async def end(world: World, phase: str = "Completed") -> None:
    """What the nodes would do: each backup comes to its end."""
    for job in jobs(world):
        if not job.is_over:
            done: Any = {"status": {"phase": phase, "completionTime": rfc3339(virtual_now())}}
            await world.client.patch(BACKUP_JOBS, "default", job.metadata.name, done, subresource="status")


def on(tmp_path: Path, scenario: Callable[[World], Awaitable[None]]) -> None:
    play(tmp_path, scenario)


def test_every_night_each_labelled_machine_is_backed_up_once(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with leader(world):
            await machine(world, "web", backup="enabled")
            await machine(world, "db", backup="enabled")
            await machine(world, "scratch", backup="no")
            await apply(world)
            made: list[str] = []
            for night in range(1, 5):
                await world.until(lambda: any(not job.is_over for job in jobs(world)), DAY_S)
                await world.pass_time(600)
                assert virtual_now() < datetime(2026, 1, night, 2, 30, tzinfo=UTC)
                made += [job.metadata.name for job in jobs(world) if not job.is_over]
                await end(world)
                await world.pass_time(3600)
        stamps = [int(datetime(2026, 1, night, 2, tzinfo=UTC).timestamp()) for night in range(1, 5)]
        assert sorted(made) == sorted(f"vm-daily-backup-{vm}-{stamp}" for vm in ("db", "web") for stamp in stamps)
        kept = sorted(job.metadata.name for job in jobs(world))
        assert kept == sorted(f"vm-daily-backup-{vm}-{stamp}" for vm in ("db", "web") for stamp in stamps[-3:])
        status = nightly(world).status
        assert status.last_schedule_time == datetime(2026, 1, 4, 2, tzinfo=UTC)
        assert status.last_successful_time == datetime(2026, 1, 4, 2, 10, tzinfo=UTC)
        assert status.active is None

    on(tmp_path, scenario)


def test_job_template_is_followed_in_its_time_zone_and_not_while_suspended(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with leader(world):
            await machine(world, "db")
            await machine(world, "web", backup="enabled")
            other: Any = {"vmSelector": None, "destination": None, "jobTemplate": job_template()}
            await apply(world, timezone="Asia/Tokyo", failedJobsHistoryLimit=1, **other)
            for phase in ("Failed", "Failed", "Completed"):
                await world.until(lambda: any(not job.is_over for job in jobs(world)), DAY_S)
                await end(world, phase)
                await world.pass_time(3600)
            await world.client.patch(BACKUP_SCHEDULES, "default", "vm-daily-backup", {"spec": {"suspend": True}})
            await world.pass_time(3 * DAY_S)
        # Two in the morning in Tokyo is five in the afternoon of the day before. The older failed one is cleared away.
        due = {(job.metadata.annotations or {})["hypersdk.io/scheduled-at"] for job in jobs(world)}
        assert due == {"2026-01-02T17:00:00Z", "2026-01-03T17:00:00Z"}
        for job in jobs(world):
            assert job.machine[1] == "db"
            assert (job.metadata.labels or {})["tier"] == "gold"
            assert job.spec.incremental is not None
            assert job.spec.incremental.enabled

    on(tmp_path, scenario)


def test_leader_that_was_away_for_days_makes_up_for_one_night(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with leader(world):
            await machine(world, "web", backup="enabled")
            await apply(world)
            await world.until(lambda: len(jobs(world)) == 1, DAY_S)
            await end(world)
        await world.pass_time(4.4 * DAY_S)
        async with leader(world):
            await world.until(lambda: len(jobs(world)) == 2, 600)
            await world.pass_time(3600)
            assert len(jobs(world)) == 2
        due = {(job.metadata.annotations or {})["hypersdk.io/scheduled-at"] for job in jobs(world)}
        assert due == {"2026-01-01T02:00:00Z", "2026-01-05T02:00:00Z"}
        assert "MissedSchedule" in world.event_reasons()

    on(tmp_path, scenario)


def test_death_between_making_and_telling_makes_no_second_job(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with leader(world):
            await machine(world, "web", backup="enabled")
            await machine(world, "db", backup="enabled")
            await apply(world, successfulJobsHistoryLimit=9)
            await world.pass_time(60)
        for number in range(3):
            async with leader(world):
                await world.pass_time(900)
                died = world.die_at(number)
                try:
                    async with asyncio.timeout(DAY_S):
                        await died.wait()
                except TimeoutError:
                    pass
            world.live_on()
            await end(world)
        async with leader(world):
            await world.pass_time(2 * DAY_S)
        runs = [(job.machine[1], (job.metadata.annotations or {})["hypersdk.io/scheduled-at"]) for job in jobs(world)]
        assert len(runs) == len(set(runs))
        assert {vm for vm, _ in runs} == {"web", "db"}

    on(tmp_path, scenario)


async def ask(world: World, request: str) -> None:
    body: JsonObject = {"metadata": {"annotations": {RUN_NOW: request}}}
    await world.client.patch(BACKUP_SCHEDULES, "default", "vm-daily-backup", body)


def answer(world: World) -> tuple[str | None, str | None]:
    """The request that was answered last, and how."""
    found = condition(nightly(world).status.conditions, "RunNow")
    return nightly(world).status.run_request, found.reason if found else None


def test_run_at_once_is_made_once_and_leaves_the_times_alone_also_while_suspended(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with leader(world):
            await machine(world, "web", backup="enabled")
            await machine(world, "scratch", backup="no")
            await apply(world)
            await world.client.patch(BACKUP_SCHEDULES, "default", "vm-daily-backup", {"spec": {"suspend": True}})
            await ask(world, "1")
            await ask(world, "2")
            await world.until(lambda: answer(world)[0] == "2", 60)
            await world.pass_time(600)
            # Asked twice before the first was done: Forbid lets no second backup of a VM begin.
            assert [job.machine[1] for job in jobs(world)] == ["web"]
            (made,) = jobs(world)
            assert (made.metadata.labels or {})["hypersdk.io/scheduled-backup"] == "true"
            await ask(world, "3")
            await world.until(lambda: answer(world) == ("3", "JobAlreadyActive"), 60)
            assert len(jobs(world)) == 1
            await end(world)
            await ask(world, "../no name; at all")
            await world.until(lambda: len(jobs(world)) == 2, 60)
            await end(world)
            assert nightly(world).status.last_schedule_time is None
            await world.client.patch(BACKUP_SCHEDULES, "default", "vm-daily-backup", {"spec": {"suspend": False}})
            await world.until(lambda: nightly(world).status.last_schedule_time is not None, DAY_S)
            assert len(jobs(world)) == 3
            assert nightly(world).status.last_schedule_time == datetime(2026, 1, 1, 2, tzinfo=UTC)

    on(tmp_path, scenario)


def test_death_while_a_run_at_once_is_made_makes_no_second_one(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with leader(world):
            await machine(world, "web", backup="enabled")
            await machine(world, "db", backup="enabled")
            await apply(world, concurrencyPolicy="Allow")
            await world.pass_time(60)
        for number in range(4):
            async with leader(world):
                await world.pass_time(60)
                await ask(world, str(number))
                died = world.die_at(number)
                try:
                    async with asyncio.timeout(120):
                        await died.wait()
                except TimeoutError:
                    pass
            world.live_on()
            async with leader(world):
                await world.until(lambda wanted=str(number): answer(world) == (wanted, "Started"), 120)  # type: ignore[misc]
                assert len(jobs(world)) == 2 * (number + 1)

    on(tmp_path, scenario)


def test_backup_of_no_machine_fails_and_one_without_a_node_waits(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with leader(world):
            await machine(world, "lost", node="")
            for name, vm in (("none", "nobody"), ("waits", "lost")):
                spec: Any = {"source": {"provider": "libvirt", "vmName": vm}, "destination": {"type": "s3"}}
                await world.client.create(BACKUP_JOBS, "default", {"metadata": {"name": name}, "spec": spec})
            await world.pass_time(300)
            phases = {job.metadata.name: job.status.phase for job in jobs(world)}
        assert phases == {"none": "Failed", "waits": "Pending"}

    on(tmp_path, scenario)


def restores(world: World) -> dict[str, RestoreJob]:
    found = [doc for (path, _), doc in world.api.objects.items() if path == f"{ROOT}/restorejobs"]
    return {doc["metadata"]["name"]: RestoreJob.model_validate(doc) for doc in found}


def test_restore_gets_the_node_of_its_machine_or_its_backup_or_one_with_room(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with leader(world, node("roomy", memory="64Gi"), node("small")):
            await machine(world, "there", node="elsewhere")
            spec: Any = {"source": {"provider": "libvirt", "vmName": "gone"}, "destination": {"type": "local"}}
            body: Any = {
                "metadata": {"name": "old"},
                "spec": spec,
                "status": {"phase": "Completed", "nodeName": "disk"},
            }
            await world.client.create(BACKUP_JOBS, "default", body)
            s3: Any = {"type": "s3", "bucket": "b", "path": "x"}
            ref: Any = {"type": "backup-ref", "backupJobRef": {"name": "old"}}
            for name, source, vm in (("place", s3, "there"), ("home", ref, None), ("any", s3, "new")):
                to: Any = {"provider": "libvirt"} | ({"vmName": vm} if vm else {})
                await world.client.create(
                    RESTORE_JOBS, "default", {"metadata": {"name": name}, "spec": {"source": source, "destination": to}}
                )
            await world.pass_time(30)
            assert {name: job.status.node_name for name, job in restores(world).items()} == {
                "place": "elsewhere",
                "home": "disk",
                "any": "roomy",
            }
        async with leader(world):
            await world.client.create(
                RESTORE_JOBS, "default", {"metadata": {"name": "nowhere"}, "spec": {"source": s3, "destination": to}}
            )
            await world.pass_time(30)
            found = condition(restores(world)["nowhere"].status.conditions, "Running")
            assert found is not None
            assert "no node runs a controller" in (found.message or "")

    on(tmp_path, scenario)
