"""The form that creates a VM."""

import asyncio
from dataclasses import dataclass, field

import pytest

from hypersdk.errors import Invalid
from hypersdk.model.base import JsonObject
from hypersdk.model.virtualmachine import VirtualMachine
from tests.tui.builders import vm
from tests.tui.screen import console, until
from tests.tui.scripted import ScriptedSession


@dataclass
class SlowSession(ScriptedSession):
    """An API that answers a creation when it is let."""

    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def create(self, namespace: str, vm: JsonObject) -> VirtualMachine:
        """Later."""
        await self.may_answer.wait()
        return await super().create(namespace, vm)


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


async def test_creation_goes_on_when_its_form_is_left() -> None:
    session = SlowSession(objects=[vm("web-1")])
    async with console(session) as pilot:
        await until(pilot, "web-1")
        await pilot.press("c", *"new-1", "enter")
        await until(pilot, "creating new-1")
        await pilot.press("enter", "escape")
        await until(pilot, "Create new-1: running")
        session.may_answer.set()
        await until(pilot, "Create new-1: done")
        assert len(session.created) == 1


async def test_refused_creation_leaves_the_form_open() -> None:
    session = ScriptedSession(objects=[vm("web-1"), vm("web-2")])
    session.refusal = Invalid("spec.memory: too much", 422, "Invalid")
    async with console(session) as pilot:
        await until(pilot, "web-2")
        await pilot.press("c", *"new-1", "enter")
        assert "Create a VM in default" in await until(pilot, "spec.memory: too much")
