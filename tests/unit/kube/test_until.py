"""Waiting for one object: whoever waits is told that the API is lost, and the waiting goes on."""

from pathlib import Path

from hypersdk.model.kinds import VIRTUAL_MACHINES
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.verbs.operation import until
from hypersdk.verbs.verb import Outcome
from tests.unit.kube.scripted import events, machine, scripted


async def test_loss_of_the_api_is_told_and_the_end_is_seen_after_it(tmp_path: Path) -> None:
    made = VirtualMachine.model_validate(machine("a", "7"))
    told: list[str] = []

    def grown(vm: VirtualMachine | None) -> Outcome | None:
        return Outcome(True, "grown") if vm is not None and vm.spec.cpus == 4 else None

    steps = [events(then="break"), events(("MODIFIED", machine("a", "8", cpus=4)), then="stay")]
    async with scripted(tmp_path, *steps) as (script, client):
        outcome = await until(
            client, VIRTUAL_MACHINES, made.key, grown, made=made, progress=lambda _, words: told.append(words)
        )
    assert outcome == Outcome(True, "grown")
    assert len(told) == 1
    assert "broke off" in told[0]
    assert told[0].endswith("; trying again")
    assert [query.get("resourceVersion") for query in script.asked] == ["7", "7"]
