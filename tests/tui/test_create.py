"""The form that creates a VM."""

import pytest

from hypersdk.errors import Invalid
from tests.tui.builders import vm
from tests.tui.screen import console, until
from tests.tui.scripted import ScriptedSession

pytestmark = pytest.mark.timeout(40)


async def test_create_form_creates_and_the_list_shows_it() -> None:
    session = ScriptedSession(objects=[vm("web-1"), vm("web-2")])
    async with console(session) as pilot:
        await until(pilot, "web-2")
        await pilot.press("c")
        await until(pilot, "Create a VM in default")
        await pilot.press("enter")
        await until(pilot, "name: small letters")
        await pilot.press(*"new-1")
        shown = await until(pilot, "create -name new-1")
        assert "-cpus 1 -memory 512Mi" in shown
        await pilot.press("enter")
        await until(pilot, "3 VMs")
        spec = {"cpus": 1, "memory": "512Mi", "image": {"source": "demo"}}
        assert session.created == [("default", {"metadata": {"name": "new-1"}, "spec": spec})]


async def test_refused_creation_leaves_the_form_open() -> None:
    session = ScriptedSession(objects=[vm("web-1"), vm("web-2")])
    session.refusal = Invalid("spec.memory: too much", 422, "Invalid")
    async with console(session) as pilot:
        await until(pilot, "web-2")
        await pilot.press("c", *"new-1", "enter")
        assert "Create a VM in default" in await until(pilot, "spec.memory: too much")
