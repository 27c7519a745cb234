"""What is said of a VM for what was seen of it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.hypervisor.port import DiskError, DomainState, ObservedDomain, Power
from controller.hypervisor.readings import GuestAddress, GuestFacts
from controller.node.finding import Finding
from controller.node.guest import MOST_ADDRESSES, addresses
from controller.node.intent import Intent, Wanted
from controller.node.patch import merge_patch
from controller.node.prepare import DISKS_READY
from controller.node.status import status_of, stopping_since, unknown
from controller.node.turns import events_of
from controller.node.usage import moved
from controller.node.view import View
from hypersdk.model.base import Condition, JsonObject, condition
from hypersdk.model.metrics import Sample
from hypersdk.model.virtualmachine import Address, ImageProgress, Phase, VirtualMachineStatus
from tests.unit.node.builders import NOW, domain, machine, off

ON, OFF = Intent(Wanted.ON), Intent(Wanted.OFF)
NETWORK = Finding("True", "NetworkReady", "on libvirt network default")
PAUSED = DomainState.PAUSED
IMPORTING = Finding("False", "Importing", "importing the image, 10%")
MISSING = Finding("False", "ImageNotFound", "no image is named 'x'; known names: demo")
REFUSED = Finding("False", "StartFailed", "the VM cannot be started: no memory")
MAC = "52:54:00:00:00:01"


def view(there: ObservedDomain | None, intent: Intent = ON, **more: Any) -> View:
    """What a pass saw."""
    return View("node-1", there, intent, more.pop("disks", DISKS_READY), more.pop("network", NETWORK), **more)


FULL = DiskError("data", "/pool/uid/disk-data.qcow2", True)
BROKEN = DiskError("root", "/pool/uid/root.qcow2")
STOPPING = replace(OFF, stopping_since=NOW)


@pytest.mark.parametrize(
    ("seen", "phase", "ready", "reason"),
    [
        pytest.param(view(domain()), Phase.RUNNING, "True", "Running", id="runs"),
        pytest.param(view(domain(), STOPPING), Phase.RUNNING, "False", "Stopping", id="stopping"),
        pytest.param(view(domain(PAUSED, "user", Power.PAUSED)), Phase.PAUSED, "False", "Paused", id="paused by us"),
        pytest.param(
            view(domain(PAUSED, "unknown", Power.PAUSED)), Phase.PAUSED, "False", "Paused", id="libvirtd restarted"
        ),
        pytest.param(view(domain(PAUSED, "user")), Phase.PAUSED, "False", "PausedOutside", id="paused by others"),
        pytest.param(view(domain(PAUSED, "ioerror")), Phase.PAUSED, "False", "DiskError", id="disk failed"),
        pytest.param(
            view(domain(PAUSED, "ioerror", disk_errors=(FULL,))), Phase.PAUSED, "False", "DiskFull", id="disk full"
        ),
        pytest.param(
            view(domain(PAUSED, "ioerror", Power.PAUSED, disk_errors=(FULL, BROKEN))),
            *(Phase.PAUSED, "False", "DiskError"),
            id="one full, one broken",
        ),
        pytest.param(view(domain(PAUSED, "pmsuspended")), Phase.PAUSED, "False", "GuestSuspended", id="asleep"),
        pytest.param(view(domain(PAUSED, "crashed")), Phase.PAUSED, "False", "CrashKept", id="crashed and kept"),
        pytest.param(view(domain(PAUSED, "migration")), Phase.PAUSED, "False", "Migrating", id="migrating"),
        pytest.param(
            view(domain(PAUSED, "user", Power.OFF), STOPPING),
            *(Phase.PAUSED, "False", "PausedOutside"),
            id="held while it was to power off",
        ),
        pytest.param(view(domain(PAUSED, "user", Power.OFF)), Phase.CREATING, "False", "Starting", id="half started"),
        pytest.param(view(off(), OFF), Phase.STOPPED, "False", "Stopped", id="off as wanted"),
        pytest.param(view(off()), Phase.CREATING, "False", "Starting", id="about to start"),
        pytest.param(view(off(power=Power.GUEST_OFF)), Phase.STOPPED, "False", "GuestShutdown", id="guest off"),
        pytest.param(
            view(off("shutdown", Power.ON)), Phase.STOPPED, "False", "GuestShutdown", id="guest off, not noted"
        ),
        pytest.param(view(off("crashed", Power.ON)), Phase.FAILED, "False", "GuestCrashed", id="crashed"),
        pytest.param(view(off("destroyed", Power.ON)), Phase.FAILED, "False", "PowerCutOutside", id="destroyed"),
        pytest.param(view(off("migrated", Power.ON)), Phase.STOPPED, "False", "StoppedOutside", id="other"),
        pytest.param(view(off(), failure=REFUSED), Phase.FAILED, "False", "StartFailed", id="start failed"),
        pytest.param(view(None, failure=REFUSED), Phase.FAILED, "False", "StartFailed", id="definition failed"),
        pytest.param(
            view(None, disks=IMPORTING, image=ImageProgress()), Phase.CREATING, "False", "Importing", id="import"
        ),
        pytest.param(view(None, disks=MISSING), Phase.FAILED, "False", "ImageNotFound", id="no image"),
        pytest.param(view(None, OFF, disks=MISSING), Phase.FAILED, "False", "ImageNotFound", id="no image, not to run"),
        pytest.param(view(off(), OFF, disks=MISSING), Phase.STOPPED, "False", "Stopped", id="off with a lost image"),
        pytest.param(view(None), Phase.CREATING, "False", "Creating", id="new"),
        pytest.param(view(domain(owner=None)), Phase.FAILED, "False", "ForeignDomain", id="foreign"),
    ],
)
def test_phase_and_its_reason(seen: View, phase: Phase, ready: str, reason: str) -> None:
    status = status_of(machine(), seen, NOW)
    found = condition(status.conditions, "Ready")
    assert found is not None
    assert (status.phase, found.status, found.reason) == (phase, ready, reason)
    assert found.message


def test_full_disk_is_named_with_its_folder_and_what_helps() -> None:
    status = status_of(machine(), view(domain(PAUSED, "ioerror", disk_errors=(FULL, BROKEN))), NOW)
    found = condition(status.conditions, "Ready")
    assert found is not None
    assert found.message == (
        "disk data cannot grow, /pool/uid is full: free space there, then resume the VM; "
        "disk root failed (/pool/uid/root.qcow2): look at the node's storage, then resume the VM"
    )


def test_running_machine_shows_its_process_and_guest() -> None:
    there = domain(has_graphics=True, agent_connected=True, macs=(MAC,))
    guest = GuestFacts(True, "7.2", "web", (GuestAddress("10.0.0.9", MAC, "agent", "eth0"),))
    status = status_of(machine(), view(there, guest=guest, usage=Sample(time=0, cpu_percent=44.6)), NOW)
    assert status.qemu_pid == 4711
    assert status.start_time == NOW - timedelta(seconds=100)
    assert status.vnc is not None
    assert (status.vnc.enabled, status.vnc.port) == (True, None)
    assert status.ip_addresses == ["10.0.0.9"]
    assert status.observed_generation == 3
    assert status.resources is not None
    assert status.resources.cpu is not None
    assert (status.resources.cpu.usage, status.resources.cpu.requests) == ("45%", 2)
    liveness = condition(status.conditions, "LivenessProbe")
    assert liveness is not None
    assert (liveness.status, liveness.reason) == ("True", "AgentAnswers")


def test_stopped_machine_shows_neither() -> None:
    running = status_of(machine(), view(domain(has_graphics=True)), NOW)
    status = status_of(machine(status=running.wire()), view(off(), OFF), NOW)
    assert (status.qemu_pid, status.start_time, status.vnc, status.ip_addresses) == (None, None, None, None)


def test_silent_agent_keeps_what_it_said_last() -> None:
    there = domain(agent_connected=True, macs=(MAC,))
    guest = GuestFacts(True, "7.2", "web", (GuestAddress("10.0.0.9", MAC, "agent"),))
    before = status_of(machine(), view(there, guest=guest), NOW)
    after = status_of(machine(status=before.wire()), view(there), NOW + timedelta(minutes=9))
    assert after.ip_addresses == ["10.0.0.9"]
    assert after.guest_agent is not None
    assert (after.guest_agent.connected, after.guest_agent.hostname) == (False, "web")
    assert after.addresses is not None
    assert after.addresses[0].last_seen == NOW
    liveness = condition(after.conditions, "LivenessProbe")
    assert liveness is not None
    assert (liveness.status, liveness.reason) == ("False", "AgentSilent")


def test_transition_time_moves_only_with_the_status() -> None:
    first = status_of(machine(), view(None, disks=IMPORTING), NOW)
    later = NOW + timedelta(minutes=5)
    second = status_of(machine(status=first.wire()), view(None, disks=MISSING), later)
    third = status_of(machine(status=second.wire()), view(domain()), later)
    times = [c.last_transition_time for s in (first, second, third) if (c := condition(s.conditions, "DiskReady"))]
    assert times == [NOW, NOW, later]


def test_the_same_sight_gives_the_same_status() -> None:
    there = view(domain(agent_connected=True, macs=(MAC,)), addresses=(GuestAddress("10.0.0.9", MAC, "lease"),))
    first = status_of(machine(), there, NOW)
    again = status_of(machine(status=first.wire()), there, NOW + timedelta(minutes=4))
    assert merge_patch(first.wire(), again.wire()) == {}


def test_waiting_for_a_power_off_is_a_condition_with_its_beginning() -> None:
    asked = status_of(machine(), view(domain(power=Power.OFF), STOPPING), NOW)
    vm = machine(status=asked.wire())
    assert stopping_since(vm) == NOW
    over = status_of(vm, view(off(), OFF), NOW)
    assert condition(over.conditions, "Stopping") is None
    assert stopping_since(machine(status=over.wire())) is None


def test_changed_spec_is_a_condition_until_it_is_in_force() -> None:
    changed = status_of(machine(), view(domain(), drift=("cpus", "memory")), NOW)
    found = condition(changed.conditions, "RestartRequired")
    assert found is not None
    assert found.message == "changed since the guest was started: cpus, memory"
    assert (
        condition(status_of(machine(status=changed.wire()), view(domain()), NOW).conditions, "RestartRequired") is None
    )


def test_unknown_takes_nothing_back() -> None:
    known = status_of(machine(), view(domain()), NOW)
    lost = unknown(machine(status=known.wire()), "libvirt is away", NOW)
    assert (lost.phase, lost.qemu_pid) == (Phase.UNKNOWN, 4711)
    ready = condition(lost.conditions, "Ready")
    assert ready is not None
    assert (ready.status, ready.reason) == ("Unknown", "HypervisorUnreachable")


def test_fields_of_a_newer_controller_stay() -> None:
    status = status_of(machine(status={"newer": {"a": 1}}), view(domain()), NOW)
    assert status.wire()["newer"] == {"a": 1}


def test_escape_sequences_never_reach_a_message() -> None:
    crashed = view(off("crashed", Power.ON), log_tail=("\x1b]0;title\x07boom\x9b31m", "second"))
    ready = condition(status_of(machine(), crashed, NOW).conditions, "Ready")
    assert ready is not None
    assert ready.message is not None
    assert ready.message.splitlines()[1:] == ["]0;titleboom31m", "second"]


@pytest.mark.parametrize(
    ("seen", "ips"),
    [
        ([GuestAddress("fd00::2", MAC, "agent"), GuestAddress("10.0.0.9", MAC, "agent")], ["10.0.0.9", "fd00::2"]),
        ([GuestAddress(ip, MAC, "agent") for ip in ("127.0.0.1", "fe80::1", "0.0.0.0", "224.0.0.1", "x")], []),
        ([GuestAddress("10.0.0.9", "aa:aa:aa:aa:aa:aa", "agent")], []),
        ([GuestAddress("10.0.0.9", MAC.upper(), "agent"), GuestAddress("10.0.0.9", MAC, "arp")], ["10.0.0.9"]),
    ],
    ids=["IPv4 first", "useless", "of another interface", "twice"],
)
def test_addresses_that_are_of_use(seen: list[GuestAddress], ips: list[str]) -> None:
    assert [one.ip for one in addresses(seen, [], [MAC], NOW)] == ips


def test_flood_of_addresses_is_cut() -> None:
    flood = [GuestAddress(f"10.0.{n // 250}.{n % 250 + 1}", MAC, "agent") for n in range(5000)]
    assert len(addresses(flood, [], [MAC], NOW)) == MOST_ADDRESSES


def test_old_sight_is_refreshed_after_five_minutes() -> None:
    before = [Address(ip="10.0.0.9", source="agent", mac_address=MAC, last_seen=NOW)]
    seen = [GuestAddress("10.0.0.9", MAC, "agent")]
    assert addresses(seen, before, [MAC], NOW + timedelta(minutes=4)) == before
    assert addresses(seen, before, [MAC], NOW + timedelta(minutes=5))[0].last_seen == NOW + timedelta(minutes=5)


@pytest.mark.parametrize(
    ("before", "now", "worth"),
    [
        (None, Sample(time=1), True),
        (Sample(time=1, cpu_percent=10), Sample(time=2, cpu_percent=14), False),
        (Sample(time=1, cpu_percent=10), Sample(time=2, cpu_percent=15), True),
        (Sample(time=1, memory_used_bytes=1000), Sample(time=2, memory_used_bytes=1040), False),
        (Sample(time=1, memory_used_bytes=1000), Sample(time=2, memory_used_bytes=1060), True),
    ],
)
def test_only_figures_that_moved_are_worth_a_write(before: Sample | None, now: Sample, worth: bool) -> None:
    assert moved(before, now) is worth


@pytest.mark.parametrize(
    ("old", "new", "patch"),
    [
        ({}, {}, {}),
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {}, {"a": None}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, {"a": {"c": None}}),
        ({"a": [1, 2]}, {"a": [1]}, {"a": [1]}),
        ({"a": {"b": 1}}, {"a": [1]}, {"a": [1]}),
    ],
)
def test_patch_has_what_differs(old: JsonObject, new: JsonObject, patch: JsonObject) -> None:
    assert merge_patch(old, new) == patch


def told(old: VirtualMachineStatus, new: VirtualMachineStatus) -> list[str]:
    return [reason for _, reason, _ in events_of(old, new)]


def said(kind: str, status: str, reason: str, message: str = "words") -> VirtualMachineStatus:
    return VirtualMachineStatus(conditions=[Condition(type=kind, status=status, reason=reason, message=message)])


def test_events_are_for_what_is_new() -> None:
    nothing, running = VirtualMachineStatus(), said("Ready", "True", "Running")
    stopped = said("Ready", "False", "Stopped")
    assert told(running, stopped) == ["Stopped"]
    assert told(stopped, stopped) == []
    assert told(nothing, stopped) == []
    importing, there = said("DiskReady", "False", "Importing"), said("DiskReady", "True", "DisksReady")
    assert told(importing, there) == ["Imported"]
    assert told(nothing, importing) == []
    failed = said("DiskReady", "False", "ImportFailed", "503")
    assert told(importing, failed) == ["ImportFailed"]
    assert told(failed, failed) == []
    assert told(failed, said("DiskReady", "False", "ImportFailed", "404")) == ["ImportFailed"]


def test_address_that_nobody_tells_of_any_more_is_forgotten_after_a_while() -> None:
    before = [Address(ip="10.0.0.9", source="agent", last_seen=NOW)]
    assert addresses([], before, [MAC], NOW + timedelta(minutes=9)) == before
    assert addresses([], before, [MAC], NOW + timedelta(minutes=10)) == []
    assert addresses([], [Address(ip="10.0.0.9", source="agent")], [MAC], NOW) == []
