"""What each subresource needs a right for, what a refusal says, and what the audit keeps of a visit."""

import logging
from collections.abc import Callable

import pytest

from controller.gateway import audit
from hypersdk.errors import ApiError, Forbidden
from hypersdk.kube.streams import SubResource, open_console, screenshot, stream_path
from hypersdk.model.base import JsonObject
from tests.unit.gateway.loopback import Lab, Screen
from tests.unit.gateway.scripted import UUID, ScriptedGuest

Lines = Callable[[], list[JsonObject]]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Lines:
    """The lines of the audit so far."""
    caplog.set_level(logging.INFO, audit.LOGGER)
    return lambda: [record.__dict__["facts"] for record in caplog.records if record.name == audit.LOGGER]


@pytest.mark.parametrize("subresource", ["console", "log", "metrics", "screenshot"])
async def test_reading_needs_get_and_the_refusal_says_how_to_come_by_it(lab: Lab, subresource: SubResource) -> None:
    lab.rights.denied.add(("bob", "get"))
    with pytest.raises(Forbidden) as caught:
        await lab.client("bob").raw("GET", stream_path("default", "vm", subresource))
    words = str(caught.value)
    assert f'user "bob" cannot get virtualmachines/{subresource} of "vm" in namespace "default"' in words
    assert f'missing is the verb "get" on virtualmachines/{subresource}' in words
    assert "kubectl create rolebinding hypersdk-view -n default --clusterrole=hypersdk-view --user=bob" in words
    assert [wish.verb for _, wish in lab.rights.asked] == ["get"]


async def test_writing_needs_update_and_names_another_role(lab: Lab, lines: Lines) -> None:
    lab.rights.denied.add(("o'hara", "update"))
    with pytest.raises(Forbidden, match="--clusterrole=hypersdk-operate '--user=o'\"'\"'hara'"):
        await open_console(lab.client("o'hara"), "default", "vm", "write")
    # Twice: what a client is told of a refused WebSocket it learns by asking plainly.
    assert {line["audit"] for line in lines()} == {"console.refused"}


async def test_picture_of_the_screen(lab: Lab, lines: Lines) -> None:
    assert await screenshot(lab.client(), "default", "vm") == lab.host.screen
    assert [line["audit"] for line in lines()] == ["screenshot.read"]
    lab.host.down = True
    with pytest.raises(ApiError, match="libvirtd does not answer"):
        await screenshot(lab.client(), "default", "vm")


async def test_visit_to_a_console_is_kept_with_its_bytes(lab: Lab, guest: ScriptedGuest, lines: Lines) -> None:
    guest.power_on()
    await lab.consoles.attach(UUID, str(guest.log))
    guest.say(b"login: ")
    async with await open_console(lab.client("alice"), "default", "vm") as first:
        alice = await Screen(first).shows(b"login: ")
        async with await open_console(lab.client("bob"), "default", "vm") as second:
            bob = await Screen(second).until(lambda screen: screen.state.writer == "alice")
            await second.control({"type": "take"})
            await alice.until(lambda screen: screen.state.asked)
            await first.control({"type": "give"})
            await bob.until(lambda screen: screen.state.writable)
            await second.send(b"root\n")
            await guest.has_typed(b"root\n")
        await alice.until(lambda screen: screen.state.writable)
    told = [(line["audit"], line["user"]) for line in lines()]
    assert told[:3] == [("console.start", "alice"), ("console.start", "bob"), ("console.take-over", "bob")]
    assert set(told[3:5]) == {("console.take-over", "alice"), ("console.stop", "bob")}
    (over,) = (line for line in lines() if (line["audit"], line["user"]) == ("console.stop", "bob"))
    assert (over["bytesSent"], over["bytesReceived"]) == (len(b"login: "), len(b"root\n"))
    assert (over["vm"], over["device"], over["mode"], over["peer"]) == ("default/vm", "serial0", "write", "unix")
    assert [line["how"] for line in lines() if line["audit"] == "console.take-over"] == ["given", "left"]
