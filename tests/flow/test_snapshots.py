"""Snapshots where nobody dies: what becomes of disks and memory, what waits or is refused, and how long they stay."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from controller.hypervisor.port import DomainState
from hypersdk.model.base import JsonObject, rfc3339
from hypersdk.model.kinds import VM_OPERATIONS
from hypersdk.model.marks import CANCEL
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmoperation import OperationPhase
from tests.flow.fake_layers import FakeFile, FakeLayers
from tests.flow.snapshot_lab import DATA, SNAPS, Lab
from tests.flow.virtual import EPOCH, virtual_now
from tests.flow.world import World, play


def test_memory_that_cannot_be_taken_up_leaves_the_disks_as_they_were(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start()
            await lab.take("first", includeMemory=True)
            lab.layers.write(lab.uid, "two")
            lab.layers.broken_memory = True
            op = await world.done(await lab.restore("first"))
            assert op.phase is OperationPhase.FAILED
            assert "cannot be read" in (op.status.message or "")
            await world.until_phase(Phase.RUNNING, "Running")
            assert lab.layers.read(lab.uid) == {"two"}
            lab.assert_nothing_left_over()

    play(tmp_path, scenario)


def test_returning_memory_brings_back_the_hardware_it_was_saved_on(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start()
            await lab.take("first", includeMemory=True)
            await world.operate("stop", force=True)
            await world.until_phase(Phase.STOPPED)
            await world.set(cpus=2, memory="512Mi")
            op = await world.done(await lab.restore("first"))
            assert op.phase is OperationPhase.SUCCEEDED, op.status
            spec = world.vm().spec
            assert (spec.running, spec.cpus, spec.memory) == (True, 1, "256Mi")
            await world.until_phase(Phase.RUNNING, "Running")

    play(tmp_path, scenario)


def test_snapshot_waits_for_its_turn_and_says_for_what(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start()
            world.hypervisor.guest_behaviour.obeys = False
            await world.operate("stop")
            await world.pass_time(5)
            await lab.make("first")
            await world.until(lambda: "waits for stop" in str(world.api.objects[SNAPS, "first"].get("status")))
            assert lab.phase("first") == "Pending"
            await world.until(lambda: lab.phase("first") == "Ready", 600)
            found = lab.snapshot("first")
            assert found is not None
            assert found.status.consistency == "Offline"

    play(tmp_path, scenario)


def test_agent_that_does_not_freeze_makes_it_crash_consistent(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        lab.layers.agent = "the guest agent is not connected"
        async with lab.controller():
            await lab.start()
            found = await lab.take("first")
            assert found.status.consistency == "CrashConsistent"
            assert lab.why("first", "Consistent") == "GuestNotFrozen"
            assert found.status.frozen_seconds is None

    play(tmp_path, scenario)


def test_agent_is_left_alone_while_it_holds_the_guest(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        lab.layers.take_s = 30.0
        async with lab.controller():
            await lab.start()
            await world.until(lambda: world.reason("LivenessProbe") == "AgentAnswers")
            await lab.make("first")
            await world.until(lambda: lab.uid in lab.layers.frozen)
            before = world.hypervisor.questions
            for _ in range(20):
                world.hypervisor.change(lab.uid, "agent", agent_connected=True)
                await world.pass_time(1)
            assert lab.uid in lab.layers.frozen
            assert world.hypervisor.questions == before
            assert world.reason("LivenessProbe") == "AgentAnswers"
            await world.until(lambda: lab.phase("first") == "Ready", 60)
            await world.until(lambda: world.hypervisor.questions > before)

    play(tmp_path, scenario)


@dataclass
class Late(FakeLayers):
    """Somebody has second thoughts of an operation in the moment in which its layers are put in place."""

    regret: Callable[[], Awaitable[object]] | None = None

    async def put(self, uuid: str, files: Mapping[str, str]) -> None:
        await super().put(uuid, files)
        if self.regret is not None:
            await self.regret()


def test_return_that_is_cancelled_once_it_is_done_says_that_it_is_done(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        late = lab.layers = Late(world.hypervisor)
        async with lab.controller():
            await lab.start(running=False)
            await lab.take("first")
            lab.layers.write(lab.uid, "two")
            op = await lab.restore("first")
            cancel: JsonObject = {"metadata": {"annotations": {CANCEL: "true"}}}
            late.regret = lambda: world.client.patch(VM_OPERATIONS, *op.key, cancel)
            op = await world.done(op)
            assert op.phase is OperationPhase.SUCCEEDED, op.status
            assert "the disks are those of first" in (op.status.message or "")
            assert not {"ending", "stage", "before"} & set(op.status.result or {})
            assert lab.layers.read(lab.uid) == {"one"}
            lab.assert_nothing_left_over()

    play(tmp_path, scenario)


def test_frozen_guest_of_a_controller_that_died_is_thawed(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start()
            await world.until(lambda: world.hypervisor.the(lab.uid).agent_connected)
        lab.layers.frozen.add(lab.uid)
        async with lab.controller():
            await world.pass_time(10)
            assert not lab.layers.frozen
            assert world.hypervisor.the(lab.uid).state is DomainState.RUNNING

    play(tmp_path, scenario)


def test_snapshot_that_two_stand_on_says_who(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start()
            await lab.take("first")
            lab.layers.write(lab.uid, "two")
            await lab.take("second")
            await world.done(await lab.restore("first"))
            await lab.delete("first")
            await world.until(lambda: lab.why("first") == "LayerInUse")
            assert "snapshot second and the VM as it is" in str(world.api.objects[SNAPS, "first"]) or (
                "the VM as it is and snapshot second" in str(world.api.objects[SNAPS, "first"])
            )
            await lab.delete("second")
            await lab.gone("first")
            assert lab.layers.read(lab.uid) == {"one"}
            lab.assert_nothing_left_over()

    play(tmp_path, scenario)


def test_snapshot_operation_makes_its_object_and_refuses_a_taken_name(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start()
            op = await world.done(await world.operate("snapshot", snapshotSpec={"name": "mine"}))
            assert op.phase is OperationPhase.SUCCEEDED, op.status
            assert lab.phase("mine") == "Ready"
            again = await world.done(await world.operate("snapshot", snapshotSpec={"name": "mine"}))
            assert again.phase is OperationPhase.FAILED
            assert "already" in (again.status.message or "")
            assert lab.phase("mine") == "Ready"

    play(tmp_path, scenario)


def test_short_taking_writes_no_more_than_has_to_be_known_after_a_death(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start()
            lab.layers.take_s = 0.05
            await world.pass_time(30)
            before = len(world.api.writes)
            op = await world.done(await world.operate("snapshot", snapshotSpec={"name": "mine"}))
            written = [
                (method, path.split("/", 6)[-1].replace(op.metadata.name, "OP"))
                for method, path in world.api.writes[before:]
                if "vmoperations" in path or "vmsnapshots" in path
            ]
            assert written[:2] == [("POST", "vmoperations"), ("PATCH", "vmoperations/OP")]
            # Its beginning and its object, whichever comes first; then that it is there, and that it is done.
            assert sorted(written[2:4]) == [("PATCH", "vmoperations/OP/status"), ("POST", "vmsnapshots")]
            assert written[4:6] == [("PATCH", "vmsnapshots/mine/status"), ("PATCH", "vmoperations/OP/status")]
            found = lab.snapshot("mine")
            assert found is not None
            assert found.status.phase == "Ready"
            await world.until(lambda: "snapshotChain" in str(world.api.objects[SNAPS, "mine"]))

    play(tmp_path, scenario)


def test_taking_that_lasts_is_told(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start()
            lab.layers.take_s = 5.0
            op = await world.operate("snapshot", snapshotSpec={"name": "mine"})
            await world.until(lambda: lab.phase("mine") == "Creating", 3)
            assert lab.why("mine") == "SnapshotCreating"
            await world.until(lambda: world.op(op).status.message == "taking it", 3)
            assert (await world.done(op)).phase is OperationPhase.SUCCEEDED
            assert lab.phase("mine") == "Ready"

    play(tmp_path, scenario)


def test_snapshots_of_a_deleted_machine_end_with_words(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start()
            await lab.take("first")
            await world.delete()
            await world.until(lambda: lab.why("first") == "VMDeleted", 300)
            assert lab.phase("first") == "Failed"
            await lab.delete("first")
            await lab.gone("first")

    play(tmp_path, scenario)


def test_kept_for_long_enough_is_expired_and_merged(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start()
            soon = rfc3339(EPOCH + timedelta(minutes=5))
            await lab.take("short", retention={"expiresAt": soon})
            await lab.take("stays", retention={"expiresAt": soon, "autoDelete": False})
            await lab.gone("short")
            assert (lab.phase("stays"), lab.why("stays")) == ("Expired", "RetentionExpired")
            lab.assert_nothing_left_over()

    play(tmp_path, scenario)


def test_each_rule_of_retention_ends_its_own(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start()
            soon = rfc3339(EPOCH + timedelta(minutes=5))
            await lab.take("by-hand")
            await lab.take("day", retention={"keepDays": 1, "keepCount": 5})
            for name in ("one", "two", "three"):
                lab.layers.write(lab.uid, name)
                await lab.take(name, retention={"keepCount": 2, "keepDays": 3})
            await lab.gone("one")
            assert lab.phases() == {"by-hand": "Ready", "day": "Ready", "two": "Ready", "three": "Ready"}
            await lab.take("marked", retention={"expiresAt": soon, "keepCount": 2, "autoDelete": False})
            await lab.gone("two")
            await lab.age("day", days=1)
            await lab.gone("day")
            await world.until(lambda: lab.phase("marked") == "Expired", 600)
            # What is only marked counts no longer: of the others the newest two stay.
            assert lab.phases() == {"by-hand": "Ready", "three": "Ready", "marked": "Expired"}
            await lab.age("three", days=3)
            await lab.gone("three")
            assert lab.phases() == {"by-hand": "Ready", "marked": "Expired"}
            op = await world.done(await lab.restore("marked"))
            assert op.phase is OperationPhase.SUCCEEDED, op.status
            assert lab.layers.read(lab.uid) == {"three"}
            lab.assert_nothing_left_over()

    play(tmp_path, scenario)


@pytest.mark.parametrize("by_hand", [True, False], ids=["deleted", "expired"])
def test_snapshot_that_is_gone_back_to_stays_until_that_is_done(tmp_path: Path, by_hand: bool) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start()
            soon = rfc3339(virtual_now() + timedelta(seconds=30))
            await lab.take("first", retention={} if by_hand else {"expiresAt": soon})
            lab.layers.write(lab.uid, "two")
            world.hypervisor.guest_behaviour.obeys = False
            await world.operate("stop", timeout="2m")
            restoring = await lab.restore("first")
            if by_hand:
                await lab.delete("first")
            await world.pass_time(60)
            assert world.op(restoring).phase is OperationPhase.PENDING
            assert lab.phase("first") == "Ready"
            op = await world.done(restoring)
            assert op.phase is OperationPhase.SUCCEEDED, op.status
            await lab.gone("first")
            assert lab.layers.read(lab.uid) == {"one"}
            lab.assert_nothing_left_over()

    play(tmp_path, scenario)


def test_expired_snapshot_that_a_linked_clone_stands_on_waits_for_it(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start()
            soon = rfc3339(EPOCH + timedelta(minutes=5))
            found = await lab.take("first", retention={"expiresAt": soon})
            frozen = [path for path in found.status.backing_files or [] if path.endswith(".qcow2")]
            linked = str(Path(frozen[0]).with_name("0c10e000-0000-4000-8000-000000000000-root.qcow2"))
            lab.layers.disks[linked] = FakeFile(frozen[0])
            await world.until(lambda: lab.why("first") == "LayerInUse", 600)
            assert lab.layers.content(linked) == "one"
            del lab.layers.disks[linked]
            await lab.gone("first")

    play(tmp_path, scenario)


def test_undefined_domain_is_defined_over_what_it_wrote_to_last(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start()
            await lab.take("first")
            lab.layers.write(lab.uid, "two")
            await world.operate("stop", force=True)
            await world.until_phase(Phase.STOPPED)
            await world.hypervisor.undefine(lab.uid)
            await world.done(await world.operate("start"))
            await world.until_phase(Phase.RUNNING, "Running")
            assert lab.layers.read(lab.uid) == {"two"}

    play(tmp_path, scenario)


def test_domain_that_was_defined_over_its_base_is_not_started(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start()
            found = await lab.take("first")
            await world.operate("stop", force=True)
            await world.until_phase(Phase.STOPPED)
            bases = [path for path in found.status.backing_files or [] if path.endswith(".qcow2")]
            await lab.layers.put(lab.uid, {"vda": bases[1], "vdb": bases[0]})
            await world.operate("start")
            await world.until_phase(Phase.FAILED, "UncertainLayer")
            assert "@s-" in str(world.vm().status.conditions)
            assert not world.hypervisor.the(lab.uid).is_active

    play(tmp_path, scenario)


def test_disk_that_comes_back_is_the_one_with_all_that_was_written(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start()
            await lab.take("first")
            lab.layers.write(lab.uid, "two")
            await world.set(disks=DATA[:1])
            await world.until(lambda: len(lab.layers._tips(lab.uid)) == 1)
            await world.set(disks=DATA)
            await world.until(lambda: len(lab.layers._tips(lab.uid)) == 2)
            assert lab.layers.read(lab.uid) == {"two"}

    play(tmp_path, scenario)
