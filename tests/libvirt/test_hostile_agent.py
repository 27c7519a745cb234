"""Does a guest whose agent lies, floods or hangs harm anybody? A real one: its power button chooses."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from pydantic import JsonValue

from hyperctl.guest.image import build
from hyperctl.stack.virsh import virsh
from hypersdk.model.base import condition
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmoperation import OperationPhase
from hypersdk.settings import places
from tests.controlplane.api import Api
from tests.folders import open_folder
from tests.libvirt.benches import lone_bench
from tests.libvirt.bootsector import write_echo_disk
from tests.libvirt.conftest import Libvirtd
from tests.libvirt.controllers import Bench
from tests.libvirt.test_bad_input import harmless

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(960), pytest.mark.asyncio(loop_scope="module")]

WITHIN_S = 240.0
SCRIPT = Path(__file__).parent / "hostile_agent.sh"
GROWTH = 96 << 20
"""What a flood may cost the controller in memory; without a limit it would be the flood."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(embedded_api: Api, libvirtd: Libvirtd, private_network: None) -> AsyncIterator[Bench]:
    """A controller on a host whose pod network cannot be had, and the guest, up and still honest."""
    with open_folder() as folder:
        async with lone_bench(embedded_api, libvirtd, folder, "--network", "bridge:br-none") as made:
            write_echo_disk(made.controller.images / "echo.raw")
            image = await asyncio.to_thread(build, places(os.environ).cache, print)
            copy = await asyncio.to_thread(shutil.copy, image, made.controller.images / "demo.qcow2")
            await made.create("hostile", f"file://{copy}", cloudInit={"userData": SCRIPT.read_text()})
            await made.until_phase("hostile", Phase.RUNNING, "Running", WITHIN_S)
            yield made


async def test_guest_in_user_mode_says_why_and_has_its_address_from_the_agent(here: Bench) -> None:
    await here.until(lambda: hostname(here) == "ready", WITHIN_S)
    found = condition(here.vm("hostile").status.conditions, "NetworkReady")
    assert found is not None
    assert (found.status, found.reason) == ("True", "UserMode")
    assert "the host has no bridge br-none" in (found.message or "")
    told = here.vm("hostile").status.addresses or []
    assert ("10.0.2.15", "agent") in [(place.ip, place.source) for place in told]


async def test_lies_are_bounded_and_cleaned(here: Bench, libvirtd: Libvirtd) -> None:
    await next_trick(here, libvirtd)
    await here.until(lambda: (here.vm("hostile").status.ip_addresses or [""])[0].startswith("10.9."), WITHIN_S)
    status = here.vm("hostile").status
    assert status.addresses is not None
    assert len(status.addresses) == 32
    assert all(place.ip.startswith("10.9.") for place in status.addresses)
    assert status.guest_agent is not None
    assert (status.guest_agent.version, status.guest_agent.hostname) == ("92J", "owned2J" + "x" * 246)
    assert harmless("\n".join(strings(status.wire())))


@pytest.mark.parametrize("trick", ["flood", "hang"])
async def test_agent_that_makes_no_sense_holds_nobody_up_and_is_heard_again(
    here: Bench, libvirtd: Libvirtd, trick: str
) -> None:
    await here.until(lambda: here.reason("hostile", "LivenessProbe") == "AgentAnswers", WITHIN_S)
    before = memory(here)
    pid = here.vm("hostile").status.qemu_pid
    await next_trick(here, libvirtd)
    await here.until(lambda: here.reason("hostile", "LivenessProbe") == "AgentSilent", WITHIN_S)

    await here.create("neighbour", f"file://{here.controller.images / 'echo.raw'}", memory="32Mi")
    await here.until_phase("neighbour", Phase.RUNNING, "Running", WITHIN_S)
    stop = await here.operate("neighbour", "stop", force=True)
    assert stop.phase is OperationPhase.SUCCEEDED, stop.status.message
    await here.delete("neighbour")
    assert here.vm("hostile").phase is Phase.RUNNING
    assert here.vm("hostile").status.qemu_pid == pid
    assert memory(here) - before < GROWTH

    await next_trick(here, libvirtd)
    await here.until(lambda: here.reason("hostile", "LivenessProbe") == "AgentAnswers", WITHIN_S)
    await here.until(lambda: honest(here), WITHIN_S)
    assert all(harmless(line) for line in here.controller.log.read_text().splitlines())


def honest(here: Bench) -> bool:
    """Whether what it told is true; an IPv6 address may come at any time."""
    told = here.vm("hostile").status.ip_addresses or []
    return "10.0.2.15" in told and not any(ip.startswith("10.9.") for ip in told)


def strings(value: JsonValue) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from strings(member)


async def next_trick(here: Bench, libvirtd: Libvirtd) -> None:
    """Press the power button, which the guest takes for a signal."""
    uid = here.vm("hostile").metadata.uid
    await asyncio.to_thread(virsh, libvirtd.uri, "shutdown", uid, "--mode", "acpi")


def hostname(here: Bench) -> str | None:
    """What the guest says that it is called."""
    agent = here.vm("hostile").status.guest_agent
    return agent.hostname if agent else None


def memory(here: Bench) -> int:
    """What the controller has in memory."""
    assert here.controller.process is not None
    return int(psutil.Process(here.controller.process.pid).memory_info().rss)
