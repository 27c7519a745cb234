"""From the spec to a running guest: imports, definitions and starts that fail, and are tried again or not."""

from pathlib import Path

from controller.node.finding import NotYet
from hypersdk.errors import Terminal, Transient
from hypersdk.model.base import condition
from hypersdk.model.virtualmachine import ImageProgress, Phase
from hypersdk.model.vmoperation import OperationPhase
from tests.flow.world import World, play


def test_import_is_shown_and_then_the_machine_starts(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.storage.outcome = ImageProgress(bytes_transferred=25, total_bytes=100)
        async with world.controller():
            await world.create()
            await world.until_phase(Phase.CREATING, "Importing")
            assert world.vm().status.image_progress is not None
            found = condition(world.vm().status.conditions, "DiskReady")
            assert found is not None
            assert found.message == "importing the image, 25%"
            world.storage.outcome = None
            world.storage.wakes[-1]()
            await world.until_phase(Phase.RUNNING, "Running")
            assert world.vm().status.image_progress is None
            assert world.event_reasons() == ["Scheduled", "Importing", "Imported", "Created", "Started"]

    play(tmp_path, scenario)


def test_failing_import_is_said_and_tried_again(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.storage.outcome = NotYet("ImportFailed", "image x: the server says 503", 30)
        async with world.controller():
            await world.create()
            await world.until_phase(Phase.FAILED, "ImportFailed")
            await world.pass_time(300)
            told = [event for event in world.events() if event.reason == "ImportFailed"]
            assert [event.count for event in told] == [1]
            world.storage.outcome = None
            await world.until_phase(Phase.RUNNING, "Running")

    play(tmp_path, scenario)


def test_terminal_import_stops_and_a_start_fails_with_its_words(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.storage.outcome = Terminal("ChecksumMismatch", "image x has another sha256")
        async with world.controller():
            await world.create()
            await world.until_phase(Phase.FAILED, "ChecksumMismatch")
            start = await world.done(await world.operate("start"))
            assert start.phase is OperationPhase.FAILED
            assert start.status.message == "image x has another sha256"

    play(tmp_path, scenario)


def test_failing_start_is_failed_with_words_and_tried_again_ever_later(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.hypervisor.logs["default.web"] = ["could not open disk"]
        world.hypervisor.fail("start", *(Transient("cannot start: no memory") for _ in range(3)))
        async with world.controller():
            await world.create()
            await world.until_phase(Phase.FAILED, "StartFailed")
            found = condition(world.vm().status.conditions, "Ready")
            assert found is not None
            assert found.message == "the VM cannot be started: cannot start: no memory\ncould not open disk"
            await world.until_phase(Phase.RUNNING, "Running")
            assert 7.5 + 15 + 30 <= world.elapsed() <= 60
            assert world.hypervisor.calls.count("start") == 4
            told = [event for event in world.events() if event.reason == "StartFailed"]
            assert [event.count for event in told] == [3]

    play(tmp_path, scenario)


def test_refused_definition_stops_until_the_spec_changes(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.hypervisor.fail("define", Terminal("Unsupported", "libvirt refuses it"))
        async with world.controller():
            await world.create()
            await world.until_phase(Phase.FAILED, "Unsupported")
            await world.pass_time(3600)
            assert world.hypervisor.calls.count("define") == 1
            await world.set(cpus=2)
            await world.until_phase(Phase.RUNNING, "Running")

    play(tmp_path, scenario)
