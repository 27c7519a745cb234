"""Why nothing comes, in words."""

from dataclasses import replace

import pytest

from controller.gateway.words import Facts, reason
from controller.hypervisor.port import DomainState, ObservedDomain
from hypersdk.kube.streams import open_console
from tests.unit.gateway.loopback import Lab, Screen
from tests.unit.gateway.scripted import UUID, ScriptedGuest

OFF = ObservedDomain(UUID, "default.vm", DomainState.SHUTOFF, "shutdown", None)
ON = replace(OFF, state=DomainState.RUNNING, reason="booted")
PAUSED = replace(OFF, state=DomainState.PAUSED, reason="user")
FULL = replace(PAUSED, reason="ioerror")
CRASHED = replace(OFF, state=DomainState.CRASHED)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param(Facts(), "VM is stopped", id="no domain"),
        pytest.param(Facts(phase="Creating"), "VM is creating", id="no domain yet"),
        pytest.param(Facts(trouble="no libvirt"), "no libvirt", id="nothing known"),
        pytest.param(Facts(OFF), "VM is stopped", id="off"),
        pytest.param(Facts(CRASHED), "VM has crashed", id="crashed"),
        pytest.param(Facts(PAUSED, True), "VM is starting", id="started paused"),
        pytest.param(Facts(PAUSED, True, silent_s=20), "VM is paused", id="paused for long"),
        pytest.param(Facts(PAUSED, True, has_spoken=True), "VM is paused", id="paused by a person"),
        pytest.param(Facts(FULL, True, has_spoken=True), "VM is paused: its disk had an I/O error", id="disk full"),
        pytest.param(Facts(ON, False, "somebody has it"), "somebody has it", id="port taken"),
        pytest.param(Facts(ON, False), "the serial port is being opened", id="not open yet"),
        pytest.param(Facts(ON, True, silent_s=9), "", id="silent for a moment"),
        pytest.param(Facts(ON, True, silent_s=19), "no output for 10 s: ", id="silent"),
        pytest.param(Facts(ON, True, silent_s=90), "no output for 80 s: ", id="silent for long"),
        pytest.param(Facts(ON, True, has_spoken=True, silent_s=90), "", id="idle at its prompt"),
    ],
)
def test_reason(facts: Facts, expected: str) -> None:
    said = reason(facts)
    assert said.startswith(expected)
    assert bool(said) == bool(expected)


async def test_silent_guest_is_told_after_a_while(lab: Lab, guest: ScriptedGuest) -> None:
    guest.power_on()
    await lab.consoles.attach(UUID, str(guest.log))
    async with await open_console(lab.client(), "default", "vm") as stream:
        screen = await Screen(stream).until(lambda screen: screen.state.connected and not screen.state.reason)
        lab.clock.now += 12
        lab.consoles.wake(UUID)
        await screen.says("console=ttyS0")
        guest.say(b"hello")
        lab.consoles.wake(UUID)
        await screen.until(lambda screen: not screen.state.reason)


async def test_pausing_is_told(lab: Lab, guest: ScriptedGuest) -> None:
    guest.power_on()
    await lab.consoles.attach(UUID, str(guest.log))
    guest.say(b"up\r\n")
    async with await open_console(lab.client(), "default", "vm") as stream:
        screen = await Screen(stream).shows(b"up")
        guest.domain = replace(guest.domain, state=DomainState.PAUSED, reason="user")
        lab.consoles.wake(UUID)
        await screen.says("VM is paused")


async def test_vm_without_a_domain_says_so(lab: Lab) -> None:
    lab.host.guests.clear()
    async with await open_console(lab.client(), "default", "vm") as stream:
        await Screen(stream).says("VM is stopped")
