"""From one screen to another by `:` and by keys, as a person does."""

import pytest

from hypersdk.model.base import rfc3339
from hypersdk.model.kinds import VM_OPERATIONS
from hypersdk.model.vmnode import VMNode
from tests.tui.builders import NOW, event, operation, vm
from tests.tui.screen import console, text, until
from tests.tui.scripted import ScriptedSession

pytestmark = pytest.mark.timeout(40)
"""A dozen keys, each waited for, take that long where many other programs run."""


def node(name: str) -> VMNode:
    conditions = [{"type": "Ready", "status": "True", "reason": "Ready"}]
    status = {
        "conditions": conditions,
        "lastHeartbeatTime": rfc3339(NOW),
        "runningVMs": 3,
        "allocatable": {"cpus": 8, "memory": "16Gi"},
        "virtType": "kvm",
    }
    return VMNode.model_validate({"kind": "VMNode", "metadata": {"name": name}, "status": status})


def many() -> ScriptedSession:
    return ScriptedSession(
        objects=[
            vm("web-1"),
            vm("db-1", "Stopped"),
            node("host-a"),
            node("host-b"),
            operation("web-1", "restart", "Failed"),
            event("web-1", "GuestCrashed", "QEMU was killed", "Warning"),
        ]
    )


async def test_nodes_are_a_live_list_and_a_row_opens_as_yaml() -> None:
    session = many()
    async with console(session) as pilot:
        await until(pilot, "web-1")
        await pilot.press("colon", *"node", "enter")
        shown = await until(pilot, "host-a")
        assert "2 nodes" in shown
        assert "16Gi" in shown
        session.put(node("host-c"), namespace="")
        await until(pilot, "3 nodes")
        await pilot.press("enter")
        await until(pilot, "virtType: kvm")
        await pilot.press("escape", "escape")
        await until(pilot, "web-1")


async def test_operations_and_events_lead_to_their_vm() -> None:
    async with console(many()) as pilot:
        await until(pilot, "web-1")
        await pilot.press("f4")
        await until(pilot, "✗ Failed")
        await pilot.press("f5")
        await until(pilot, "QEMU was killed")
        await pilot.press("enter")
        await until(pilot, "[events]")


async def test_lists_filter_and_escape_leads_back() -> None:
    async with console(many()) as pilot:
        await until(pilot, "web-1")
        await pilot.press("f3")
        await until(pilot, "host-b")
        await pilot.press("slash", *"host-a", "enter")
        await until(pilot, "host-b", gone=True)
        await pilot.press("escape")
        await until(pilot, "host-b")
        await pilot.press("escape")
        await until(pilot, "web-1")


async def test_empty_list_says_so() -> None:
    async with console(ScriptedSession(objects=[vm("web-1")])) as pilot:
        await until(pilot, "web-1")
        await pilot.press("f4")
        await until(pilot, "There are no operations in default.")


async def test_name_of_a_vm_jumps_to_it() -> None:
    async with console(many()) as pilot:
        await until(pilot, "web-1")
        await pilot.press("colon", *"db", "tab", "enter")
        await until(pilot, "[overview]")
        assert "db-1" in text(pilot)


async def test_verb_is_done_to_the_vm_that_was_named() -> None:
    session = many()
    async with console(session) as pilot:
        await until(pilot, "web-1")
        await pilot.press("colon", *"start db-1", "enter")
        await until(pilot, "Start db-1: done")
        assert session.done == [("vm.start", "db-1", {})]


async def test_wrong_word_and_wrong_vm_are_told() -> None:
    async with console(many(), (120, 30)) as pilot:
        await until(pilot, "web-1")
        await pilot.press("colon", *"fly", "enter")
        await until(pilot, "there is no command or VM 'fly'")
        await pilot.press("colon", *"start nobody", "enter")
        await until(pilot, "there is no VM nobody in default")


async def test_filter_can_be_part_of_the_command() -> None:
    async with console(many()) as pilot:
        await until(pilot, "web-1")
        await pilot.press("colon", *"vm status:stopped", "enter")
        await until(pilot, "1/1")
        await until(pilot, "web-1", gone=True)


async def test_namespace_switches_by_name() -> None:
    session = many()
    session.objects.append(vm("other", namespace="prod"))
    async with console(session) as pilot:
        await until(pilot, "web-1")
        await pilot.press("colon", *"ns prod", "enter")
        await until(pilot, "other")
        assert ("vmoperations", "prod") in session.caches
        assert VM_OPERATIONS.plural == "vmoperations"


async def test_context_switches_and_shows_the_other_cluster() -> None:
    session = many()
    async with console(session) as pilot:
        await until(pilot, "@ embedded")
        await pilot.press("colon", *"ctx nowhere", "enter")
        await until(pilot, "there is no context 'nowhere'")
        session.context = "prod-cluster"
        await pilot.press("colon", *"ctx prod-cluster", "enter")
        await until(pilot, "@ prod-cluster")
        await until(pilot, "web-1")
