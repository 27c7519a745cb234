"""Does one key tell why a VM is not well, and another one mend it?"""

from hypersdk.model.base import rfc3339
from hypersdk.model.vmnode import VMNode
from tests.tui.builders import NOW, vm
from tests.tui.screen import console, text, until
from tests.tui.scripted import ScriptedSession
from tui.options import Options

CRASH = {"type": "Ready", "status": "False", "reason": "GuestCrashed", "message": "QEMU ended\nkilled by signal 9"}


def crashed() -> ScriptedSession:
    return ScriptedSession(objects=[vm("web-1", "Failed", conditions=[CRASH])])


def node(name: str, ready: str) -> VMNode:
    conditions = [{"type": "Ready", "status": ready, "reason": "LibvirtUnreachable", "message": "libvirtd is gone"}]
    status = {"conditions": conditions, "lastHeartbeatTime": rfc3339(NOW)}
    return VMNode.model_validate({"kind": "VMNode", "metadata": {"name": name}, "status": status})


async def test_one_key_tells_why_and_one_mends_it() -> None:
    session = crashed()
    async with console(session) as pilot:
        await until(pilot, "web-1")
        await pilot.press("w")
        shown = await until(pilot, "The guest crashed.")
        assert "$ hyperctl k8s vm start web-1 -n default" in shown
        assert "killed by signal 9" in shown
        await pilot.press("y")
        await until(pilot, "Start web-1: done")
        assert session.done == [("vm.start", "web-1", {})]


async def test_read_only_console_tells_why_and_offers_nothing() -> None:
    session = crashed()
    async with console(session, options=Options(read_only=True)) as pilot:
        await until(pilot, "web-1")
        await pilot.press("w")
        assert "vm start" not in await until(pilot, "The guest crashed.")
        await pilot.press("y", "escape")
        await until(pilot, "The guest crashed.", gone=True)
        assert session.done == []


async def test_reason_follows_what_happens() -> None:
    session = ScriptedSession(objects=[vm("web-1", nodeName="n1", ipAddresses=["10.0.0.5"]), node("n1", "True")])
    async with console(session) as pilot:
        await until(pilot, "web-1")
        await pilot.press("w")
        await until(pilot, "Nothing is wrong with it.")
        session.put(node("n1", "False"), namespace="")
        await until(pilot, "Node n1 is not ready: libvirtd is gone.")
        session.put(vm("web-1", "Failed", conditions=[CRASH]))
        await until(pilot, "The guest crashed.")


async def test_chain_fits_a_small_screen() -> None:
    async with console(crashed(), (40, 12)) as pilot:
        await until(pilot, "web-1")
        await pilot.press("w")
        await until(pilot, "The guest crashed.")
        assert max(len(line) for line in text(pilot).split("\n")) <= 40
