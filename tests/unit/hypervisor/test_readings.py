"""Whether libvirt's, the kernel's and the guest's answers are read right, and a lying guest gets nothing through."""

import json
from pathlib import Path
from uuid import uuid4

import libvirt
import pytest
from pydantic import JsonValue

from controller.hypervisor.addresses import guest_address, read_arp
from controller.hypervisor.errors import translated
from controller.hypervisor.facts import dotted
from controller.hypervisor.guest_agent import read_addresses, read_answer, read_text, safe_text
from controller.hypervisor.port import DomainState
from controller.hypervisor.qemu_log import log_tail, was_killed
from controller.hypervisor.qemu_process import QemuProcess, QemuProcesses, pid_folder
from controller.hypervisor.readings import DomainStats, GuestAddress
from controller.hypervisor.states import state_words
from controller.hypervisor.stats import read_stats
from hypersdk.errors import Transient
from hypersdk.model.base import JsonObject

MAC = "52:54:00:12:34:56"


def test_counters_are_summed_over_devices() -> None:
    record: dict[str, int | str] = {
        "cpu.time": 5_000_000,
        "vcpu.current": 2,
        "balloon.current": 1024,
        "balloon.rss": 300,
        "net.count": 2,
        "net.0.rx.bytes": 1,
        "net.1.rx.bytes": 2,
        "net.0.tx.bytes": 4,
        "block.count": 2,
        "block.0.name": "vda",
        "block.0.rd.bytes": 10,
        "block.1.rd.bytes": 20,
        "block.1.wr.bytes": 7,
    }

    assert read_stats(record) == DomainStats(5_000_000, 2, 1 << 20, 300 << 10, 30, 7, 3, 4)


def test_memory_used_is_the_guests_own_word_where_it_gives_one() -> None:
    record = {"balloon.current": 1000, "balloon.rss": 900, "balloon.available": 950, "balloon.usable": 750}

    assert read_stats(record).memory_used_bytes == 200 << 10
    assert read_stats({}) == DomainStats()


def test_states_and_reasons() -> None:
    assert state_words(libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED) == (
        DomainState.SHUTOFF,
        "crashed",
    )
    assert state_words(libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR) == (DomainState.PAUSED, "ioerror")
    assert state_words(libvirt.VIR_DOMAIN_RUNNING, 99) == (DomainState.RUNNING, "unknown")


def test_arp_entries_that_were_answered() -> None:
    table = f"""IP address       HW type     Flags       HW address            Mask     Device
192.168.122.7    0x1         0x2         {MAC}     *        virbr0
192.168.122.8    0x1         0x0         00:00:00:00:00:00     *        virbr0
"""

    assert list(read_arp(table)) == [GuestAddress("192.168.122.7", MAC, "arp")]


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1", "0.0.0.0", "224.0.0.1", "x", "", "1.2.3.4\x1b[2J"])
def test_addresses_that_are_none(ip: str) -> None:
    assert guest_address(ip, MAC, "agent") is None


def test_mac_that_is_none() -> None:
    assert guest_address("10.0.0.1", "not a mac", "agent") is None
    assert guest_address("FE80::1", MAC.upper(), "agent") == GuestAddress("fe80::1", MAC, "agent")


def interface(*ips: str, name: str = "eth0") -> JsonObject:
    return {"name": name, "hardware-address": MAC, "ip-addresses": [{"ip-address": ip, "prefix": 24} for ip in ips]}


def test_agent_that_floods_or_lies() -> None:
    many: JsonValue = [interface(*(f"10.0.{n // 256}.{n % 256}" for n in range(1000)))] * 1000
    assert len(read_addresses(many)) == 64
    nonsense: list[JsonValue] = [None, {"if": 1}, [1], [{"ip-addresses": 7}], [{"ip-addresses": [{"ip-address": []}]}]]
    assert [read_addresses(one) for one in nonsense] == [[]] * len(nonsense)
    assert safe_text("\x1b]0;owned\x07" * 1000, 32).isprintable()
    assert len(safe_text("x" * 10**6, 32)) == 32


def test_addresses_that_the_agent_tells() -> None:
    told: JsonValue = [interface("127.0.0.1", name="lo"), interface("10.0.0.9", "fd00::9", name="\x1b]0;owned\x07")]
    assert read_addresses(told) == [
        GuestAddress("10.0.0.9", MAC, "agent", "0owned"),
        GuestAddress("fd00::9", MAC, "agent", "0owned"),
    ]


@pytest.mark.parametrize("answer", ["", "[", "[]", '{"return": 3}', '{"return": {"version": 7}}', "[" * 100_000])
def test_agent_version_that_is_none(answer: str) -> None:
    assert read_text(read_answer(answer), "version", 64) == ""


def test_agent_version() -> None:
    said = json.dumps({"return": {"version": "7.2.22", "supported_commands": []}})
    assert read_text(read_answer(said), "version", 64) == "7.2.22"
    assert read_answer(said + " " * 300_000) is None


def test_version_numbers() -> None:
    assert (dotted(9_000_000), dotted(7_002_022)) == ("9.0.0", "7.2.22")


def test_log_tail_is_plain_text(tmp_path: Path) -> None:
    (tmp_path / "web.log").write_bytes(b"x" * 100_000 + b"\nlast \x1b[31mwords\xff\n")

    assert log_tail(str(tmp_path), "web", 1) == ["last [31mwords\N{REPLACEMENT CHARACTER}"]
    assert len(log_tail(str(tmp_path), "web", 5)) == 2
    assert log_tail(str(tmp_path), "web", 0) == []


RUN = "2026-11-23 16:20:01.123+0000: starting up libvirt version: 9.0.0, package: 9.0.0-4"
CUT = "2026-11-23T16:20:09.1Z qemu-system-x86_64: terminating on signal 15 from pid {} ({})"
END = "2026-11-23 16:20:09.330+0000: shutting down, reason=shutdown"


@pytest.mark.parametrize(
    ("lines", "killed"),
    [
        ([RUN, CUT.format(7, "/usr/sbin/libvirtd"), END], False),
        ([RUN, CUT.format(7, "/usr/sbin/virtqemud"), END], False),
        ([RUN, CUT.format(9, "-bash"), END], True),
        ([RUN, "qemu-system-x86_64: terminating on signal 2", END], True),
        ([RUN, CUT.format(9, "-bash"), END, RUN, END], False),
        ([RUN, END], False),
        ([], False),
    ],
)
def test_end_by_a_signal_is_told_from_a_power_off(lines: list[str], killed: bool, tmp_path: Path) -> None:
    (tmp_path / "web.log").write_text("\n".join(lines))
    assert was_killed(str(tmp_path), "web") is killed


@pytest.mark.parametrize("name", ["gone", "../web", "/etc/passwd", "..", ""])
def test_log_that_is_none(tmp_path: Path, name: str) -> None:
    (tmp_path / "web.log").write_text("words")

    assert log_tail(str(tmp_path / "below"), name, 5) == []


def test_pid_file_is_beside_the_socket() -> None:
    assert pid_folder("qemu+unix:///system?socket=/a/run/libvirt-sock") == Path("/a/run/qemu")
    assert pid_folder("qemu:///system") == Path("/run/libvirt/qemu")


def test_process_that_is_another_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "qemu").mkdir()
    (tmp_path / "qemu/web.pid").write_text("1")
    processes = QemuProcesses(f"qemu+unix:///system?socket={tmp_path}/libvirt-sock")

    assert processes.of(str(uuid4()), "web") == QemuProcess()


def test_error_of_unknown_kind_is_tried_again() -> None:
    libvirt.virResetLastError()  # else it is made of what another test has left in this thread
    error = translated(libvirt.libvirtError("Cannot allocate memory"), "start web")

    assert isinstance(error, Transient)
    assert str(error) == "cannot start web: Cannot allocate memory (free memory on the host, or give the VM less)"
