"""Two nodes on virtual time: a VM moves, and whoever dies at whichever change, exactly one copy of it runs."""

import asyncio
import contextlib
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from hypersdk.model.base import JsonObject, condition
from hypersdk.model.kinds import VM_NODES, VM_OPERATIONS
from hypersdk.model.marks import CANCEL
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmoperation import OperationPhase, VMOperation
from tests.flow.pair import Pair
from tests.flow.virtual import run

CUTS = range(16)
"""Changes of API and hypervisor that either node makes for a move, and some more."""


def play(folder: Path, scenario: Callable[[Pair], Awaitable[None]]) -> None:
    """Run a scenario with both nodes up, and one VM running on the first."""

    async def inner() -> None:
        pair = Pair(folder, Path(short))
        for member in pair.members.values():
            member.start()
        for member in pair.members.values():
            assert member.controller is not None
            await member.controller.ready()
        for name in pair.members:
            await pair.first.client.patch(
                VM_NODES, "", name, {"status": {"gatewayAddress": f"{name}:1"}}, subresource="status"
            )
        await pair.first.client.patch(VM_NODES, "", "node-2", {"spec": {"unschedulable": True}})
        await pair.first.create()
        await pair.first.until_phase(Phase.RUNNING)
        await pair.first.client.patch(VM_NODES, "", "node-2", {"spec": {"unschedulable": False}})
        try:
            await scenario(pair)
        finally:
            pair.live_on()
            for member in pair.members.values():
                await member.kill()

    # A socket's path may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="mv") as short:
        run(inner())


async def moved(pair: Pair, **spec: str | bool) -> VMOperation:
    how: JsonObject = {**spec}
    return await pair.first.operate("migrate", migrateSpec=how)


def uid(pair: Pair) -> str:
    return pair.first.vm().metadata.uid


def domains(pair: Pair) -> list[str]:
    """The nodes that have a domain of it, in whatever state."""
    return [name for name, one in pair.members.items() if uid(pair) in one.world.hypervisor.domains_by_uuid]


def records(pair: Pair) -> list[Path]:
    return [path for one in pair.members.values() for path in (one.world.state / "moves").glob("*/*")]


async def settled(pair: Pair) -> None:
    """Its one copy runs where the API says, and nothing else of it is anywhere."""
    await pair.first.until_phase(Phase.RUNNING, "Running")
    await pair.first.pass_time(120)
    owner = pair.first.vm().status.node_name
    assert pair.running_on(uid(pair)) == [owner]
    assert domains(pair) == [owner]
    assert records(pair) == []


def test_a_running_guest_moves_and_its_old_node_forgets_it(tmp_path: Path) -> None:
    async def scenario(pair: Pair) -> None:
        op = await pair.first.done(await moved(pair, targetNode="node-2"))
        assert (op.phase, pair.first.vm().status.node_name) == (OperationPhase.SUCCEEDED, "node-2"), op.status
        assert "it runs on node node-2" in (op.status.message or "")
        await settled(pair)

    play(tmp_path, scenario)


def test_a_node_is_chosen_where_none_is_named(tmp_path: Path) -> None:
    async def scenario(pair: Pair) -> None:
        op = await pair.first.done(await moved(pair))
        assert (op.phase, pair.first.vm().status.node_name) == (OperationPhase.SUCCEEDED, "node-2"), op.status

    play(tmp_path, scenario)


def test_not_live_it_goes_off_first_and_is_started_there(tmp_path: Path) -> None:
    async def scenario(pair: Pair) -> None:
        op = await pair.first.done(await moved(pair, targetNode="node-2", live=False))
        assert op.phase is OperationPhase.SUCCEEDED, op.status.message
        assert "shutdown=acpi" in pair.first.hypervisor.calls
        assert pair.running_on(uid(pair)) == ["node-2"], "it has succeeded when it was seen to run"
        await settled(pair)
        assert pair.first.vm().status.node_name == "node-2"

    play(tmp_path, scenario)


def test_cancelled_on_the_way_it_stays(tmp_path: Path) -> None:
    async def scenario(pair: Pair) -> None:
        op = await moved(pair, targetNode="node-2")
        await pair.first.until(lambda: bool(pair.first.hypervisor.moving))
        # As a controller leaves it that has died while the other node was looking for it.
        folders = [pair.first.state / "disks", pair.first.state / "seeds" / uid(pair)]
        marks = [folder / f".{uid(pair)}-{op.metadata.uid[:8]}.shared" for folder in folders]
        for mark in marks:
            await asyncio.to_thread(mark.parent.mkdir, parents=True, exist_ok=True)
            await asyncio.to_thread(mark.touch)
        await pair.first.client.patch(VM_OPERATIONS, *op.key, {"metadata": {"annotations": {CANCEL: "true"}}})
        assert (await pair.first.done(op)).phase is OperationPhase.CANCELLED
        assert pair.first.vm().status.node_name == "node-1"
        assert not [mark for mark in marks if await asyncio.to_thread(mark.exists)]
        await settled(pair)

    play(tmp_path, scenario)


@pytest.mark.parametrize("number", CUTS)
@pytest.mark.parametrize("who", ["node-1", "node-2"])
def test_either_controller_killed_at_any_change_it_runs_once(tmp_path: Path, who: str, number: int) -> None:
    async def scenario(pair: Pair) -> None:
        died = pair.die_at(who, number)
        op = await moved(pair, targetNode="node-2")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(120):
                await died.wait()
        await pair.members[who].kill()
        pair.live_on()
        await pair.first.pass_time(5)
        assert len(pair.running_on(uid(pair))) <= 1
        pair.members[who].start()
        op = await pair.first.done(op)
        assert op.phase is OperationPhase.SUCCEEDED, op.status.message
        await settled(pair)
        assert pair.first.vm().status.node_name == "node-2"

    play(tmp_path, scenario)


@pytest.mark.parametrize("who", ["node-1", "node-2"])
def test_libvirtd_gone_on_the_way_it_is_tried_again(tmp_path: Path, who: str) -> None:
    async def scenario(pair: Pair) -> None:
        op = await moved(pair, targetNode="node-2")
        await pair.first.until(lambda: bool(pair.first.hypervisor.moving))
        hypervisor = pair.members[who].world.hypervisor
        hypervisor.down = True
        await pair.first.pass_time(5)
        hypervisor.come_back()
        op = await pair.first.done(op)
        assert op.phase is OperationPhase.SUCCEEDED, op.status.message
        await settled(pair)

    play(tmp_path, scenario)


def test_post_copy_lets_it_run_there_while_its_memory_follows(tmp_path: Path) -> None:
    async def scenario(pair: Pair) -> None:
        op = await moved(pair, targetNode="node-2", postCopy=True)
        await pair.first.until(lambda: bool(pair.first.hypervisor.following))
        assert pair.running_on(uid(pair)) == ["node-2"]
        op = await pair.first.done(op)
        assert op.phase is OperationPhase.SUCCEEDED, op.status.message
        await settled(pair)

    play(tmp_path, scenario)


@pytest.mark.parametrize("who", ["node-1", "node-2"])
def test_post_copy_that_breaks_runs_nowhere_and_is_said(tmp_path: Path, who: str) -> None:
    async def scenario(pair: Pair) -> None:
        op = await moved(pair, targetNode="node-2", postCopy=True)
        await pair.first.until(lambda: bool(pair.first.hypervisor.following))
        hypervisor = pair.members[who].world.hypervisor
        hypervisor.down = True
        await pair.first.pass_time(5)
        hypervisor.come_back()
        op = await pair.first.done(op)
        found = condition(op.status.conditions, "Succeeded")
        assert found is not None
        assert (op.phase, found.reason) == (OperationPhase.FAILED, "PostCopyFailed")
        assert pair.running_on(uid(pair)) == []
        await pair.first.until_phase(Phase.PAUSED, "MigrationFailed")
        again = await pair.first.done(await pair.first.operate("restart", force=True))
        assert again.phase is OperationPhase.SUCCEEDED, again.status.message
        await settled(pair)
        assert pair.first.vm().status.node_name == "node-1"

    play(tmp_path, scenario)


def test_deleted_on_the_way_nothing_is_left_on_either_node(tmp_path: Path) -> None:
    async def scenario(pair: Pair) -> None:
        gone = uid(pair)
        await moved(pair, targetNode="node-2")
        await pair.first.until(lambda: bool(pair.first.hypervisor.moving))
        await pair.first.delete()
        await pair.first.until(lambda: not pair.first.exists())
        await pair.first.pass_time(60)
        assert not any(gone in one.world.hypervisor.domains_by_uuid for one in pair.members.values())
        assert records(pair) == []

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"targetNode": "node-1"}, "AlreadyThere"),
        ({"targetNode": "node-3"}, "NodeNotFound"),
    ],
    ids=["where it is", "nowhere"],
)
def test_refused_before_anything_is_done(tmp_path: Path, spec: dict[str, str | bool], reason: str) -> None:
    async def scenario(pair: Pair) -> None:
        op = await pair.first.done(await moved(pair, **spec))
        found = condition(op.status.conditions, "Succeeded")
        assert found is not None
        assert (op.phase, found.reason) == (OperationPhase.FAILED, reason)
        await settled(pair)

    play(tmp_path, scenario)
