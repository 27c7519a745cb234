"""Whether the port's promises hold on a real libvirtd with real QEMU guests."""

import asyncio
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from controller.domain.build import domain_xml, spec_hash
from controller.domain.desired import DesiredDomain
from controller.hypervisor import console as console_module
from controller.hypervisor.libvirt_host import LibvirtHost, open_host
from controller.hypervisor.port import DomainEvent, DomainName, DomainState, Hypervisor, Power
from controller.hypervisor.subnets import host_routes
from hyperctl.stack.supervisor import lock_holder
from hyperctl.stack.virsh import virsh
from hypersdk.errors import Terminal, Transient
from tests.libvirt.bootsector import GREETING
from tests.libvirt.conftest import Libvirtd
from tests.libvirt.guests import Watch, booted, defined, read_until, removed, small_guest, there, with_more_memory
from tests.unit.domain.cases import CASES

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(60)]

_FOREIGN = "<domain type='qemu'><name>{name}</name><memory>16384</memory><os><type>hvm</type></os></domain>"


@pytest.fixture
async def host(libvirtd: Libvirtd) -> AsyncIterator[LibvirtHost]:
    """The host behind the private libvirtd."""
    host = await open_host(libvirtd.uri, virt_type="qemu", log_folder=str(libvirtd.root / "log/qemu"))
    yield host
    await host.close()


@pytest.fixture
async def guest(host: LibvirtHost, guest_folder: Path) -> AsyncIterator[DesiredDomain]:
    """A small guest, defined by nobody yet and gone afterwards."""
    guest = small_guest(guest_folder)
    yield guest
    await removed(host, guest.uid)


@pytest.fixture
def watch(host: LibvirtHost) -> Watch:
    """The host's events from the start of the test on."""
    return Watch(host, host.events())


async def test_facts(host: Hypervisor) -> None:
    facts = await host.facts()

    assert facts.cpus == os.cpu_count()
    assert facts.architecture == "x86_64"
    assert facts.memory_bytes > 1 << 30
    assert (facts.libvirt_version, facts.qemu_version) == ("9.0.0", facts.qemu_version)
    assert (facts.virt_type, facts.virt_type_reason) == ("qemu", "set to qemu")


async def test_virt_type_is_qemu_where_libvirt_offers_no_kvm(libvirtd: Libvirtd) -> None:
    host = await open_host(libvirtd.uri)
    try:
        facts = await host.facts()
    finally:
        await host.close()

    assert facts.virt_type == "qemu"
    assert facts.virt_type_reason.startswith("libvirt offers no KVM on this host")
    assert facts.memory_available_bytes > 0
    assert {machine.split()[0] for machine in facts.machine_types} >= {"pc", "q35"}


async def test_observe_is_none_only_for_what_does_not_exist(host: Hypervisor) -> None:
    assert await host.observe(str(uuid.uuid4())) is None


async def test_define_twice_changes_nothing(host: LibvirtHost, libvirtd: Libvirtd, guest: DesiredDomain) -> None:
    uid = await defined(host, guest)
    once = virsh(libvirtd.uri, "dumpxml", uid)
    await defined(host, guest)

    assert virsh(libvirtd.uri, "dumpxml", uid) == once


async def test_defined_domain_is_ours_and_off(host: LibvirtHost, guest: DesiredDomain) -> None:
    uid = await defined(host, guest, Power.OFF)
    domain = await there(host, uid)

    assert domain in await host.domains()
    assert DomainName(uid, domain.name, is_active=False) in await host.names()
    assert domain.owner is not None
    assert (domain.owner.uid, domain.owner.namespace, domain.owner.name) == (uid, "test", guest.name)
    assert (domain.owner.power, domain.owner.spec_hash) == (Power.OFF, spec_hash(guest))
    assert (domain.state, domain.pid, domain.started_at) == (DomainState.SHUTOFF, 0, 0.0)
    assert domain.macs == ("52:54:00:12:34:56",)
    assert domain.has_graphics


async def test_definition_that_libvirt_refuses_is_terminal(host: LibvirtHost, guest: DesiredDomain) -> None:
    with pytest.raises(Terminal, match="does not support virt type 'kvm'") as refused:
        await host.define(domain_xml(replace(guest, virt_type="kvm")))

    assert refused.value.reason == "Unsupported"


@pytest.mark.parametrize("name", ["small", "full", "pc", "no-agent"])
async def test_golden_file_is_valid_by_libvirts_schema(libvirtd: Libvirtd, name: str, tmp_path: Path) -> None:
    xml = tmp_path / "domain.xml"
    xml.write_text(domain_xml(CASES[name]))
    virsh(libvirtd.uri, "define", "--validate", str(xml))
    virsh(libvirtd.uri, "undefine", CASES[name].uid)


async def test_foreign_domain_is_seen_and_left_alone(host: LibvirtHost, libvirtd: Libvirtd, guest_folder: Path) -> None:
    xml = guest_folder / "foreign.xml"
    xml.write_text(_FOREIGN.format(name="foreign"))
    virsh(libvirtd.uri, "define", str(xml))
    uid = virsh(libvirtd.uri, "domuuid", "foreign").strip()
    before = virsh(libvirtd.uri, "dumpxml", uid)

    domain = await there(host, uid)
    assert (domain.name, domain.is_ours) == ("foreign", False)
    assert DomainName(uid, "foreign", is_active=False, is_ours=False) in await host.names()
    for attempt in (host.start(uid), host.destroy(uid), host.undefine(uid), host.set_power(uid, Power.OFF)):
        with pytest.raises(Terminal, match="somebody else's"):
            await attempt
    assert virsh(libvirtd.uri, "dumpxml", uid) == before
    virsh(libvirtd.uri, "undefine", uid)


async def test_define_does_not_replace_a_foreign_domain(
    host: LibvirtHost, libvirtd: Libvirtd, guest_folder: Path
) -> None:
    ours = small_guest(guest_folder)
    xml = guest_folder / "squatter.xml"
    xml.write_text(_FOREIGN.format(name="squatter").replace("<memory>", f"<uuid>{ours.uid}</uuid><memory>"))
    virsh(libvirtd.uri, "define", str(xml))

    with pytest.raises(Terminal, match="squatter"):
        await host.define(domain_xml(ours))
    assert "squatter" in virsh(libvirtd.uri, "dumpxml", ours.uid)
    virsh(libvirtd.uri, "undefine", ours.uid)


async def test_console_has_the_first_byte(host: LibvirtHost, guest: DesiredDomain) -> None:
    uid = await defined(host, guest)
    await host.start(uid)
    paused = await there(host, uid)
    assert (paused.state, paused.reason) == (DomainState.PAUSED, "user")

    console = await host.open_console(uid)
    await host.resume(uid)
    assert (await read_until(console, GREETING)).endswith(GREETING)
    await console.write(b"echo this")
    assert await read_until(console, b"echo this") == b"echo this"
    assert (await there(host, uid)).state is DomainState.RUNNING
    await console.close()


async def test_virtio_console_is_open_beside_the_serial_port(host: LibvirtHost, guest: DesiredDomain) -> None:
    console = await booted(host, guest)
    virtio = await host.open_console(guest.uid, "console1")
    with pytest.raises(Transient, match="Active console session exists"):
        await host.open_console(guest.uid, "console1")
    await console.write(b"still here")
    await read_until(console, b"still here")
    assert await asyncio.to_thread(Path(guest.virtio_log).exists)

    await virtio.close()
    await (await host.open_console(guest.uid, "console1")).close()
    await console.close()


async def test_console_has_one_reader_and_can_be_opened_again(host: LibvirtHost, guest: DesiredDomain) -> None:
    console = await booted(host, guest)
    with pytest.raises(Transient, match="Active console session exists"):
        await host.open_console(guest.uid)

    await console.close()
    await console.close()
    assert await console.read() == b""
    with pytest.raises(Transient):
        await console.write(b"late")

    again = await host.open_console(guest.uid)
    await again.write(b"still here")
    await read_until(again, b"still here")
    await again.close()


async def test_console_ends_when_the_power_is_cut(host: LibvirtHost, guest: DesiredDomain) -> None:
    console = await booted(host, guest)
    await host.destroy(guest.uid)

    async with asyncio.timeout(10):
        assert await console.read() == b""
    await console.close()
    with pytest.raises(Transient, match="not running"):
        await host.open_console(guest.uid)


async def test_reader_that_falls_behind_loses_nothing(
    host: LibvirtHost, guest: DesiredDomain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console_module, "ROOM_BYTES", 512)
    console = await booted(host, guest)
    sent = b"".join(b"line %05d\n" % number for number in range(400))
    await console.write(sent)

    assert (await read_until(console, sent[-11:])) == sent
    await console.close()


async def test_guest_that_takes_nothing_holds_up_its_writer_alone(
    host: LibvirtHost, libvirtd: Libvirtd, guest: DesiredDomain
) -> None:
    console = await booted(host, guest)
    virsh(libvirtd.uri, "suspend", guest.uid)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await console.write(b"x" * 1_000_000)

    async with asyncio.timeout(5):
        assert (await there(host, guest.uid)).state is DomainState.PAUSED
        await host.resume(guest.uid)
        await console.close()


async def test_process_is_found_and_verified(host: LibvirtHost, libvirtd: Libvirtd, guest: DesiredDomain) -> None:
    await (await booted(host, guest)).close()
    domain = await there(host, guest.uid)

    assert str(domain.pid) == (libvirtd.root / f"run/qemu/{guest.domain_name}.pid").read_text()
    assert domain.started_at == pytest.approx(time.time(), abs=30)


async def test_starting_what_runs_and_stopping_what_is_off_is_no_error(host: LibvirtHost, guest: DesiredDomain) -> None:
    uid = await defined(host, guest)
    for _ in range(2):
        await host.start(uid)
    for _ in range(2):
        await host.resume(uid)
    for _ in range(2):
        await host.destroy(uid)
    off = await there(host, uid)
    assert (off.state, off.reason, off.pid) == (DomainState.SHUTOFF, "destroyed", 0)
    await host.shutdown(uid, "acpi")
    for _ in range(2):
        await host.undefine(uid)
    assert await host.observe(uid) is None
    await host.destroy(uid)
    with pytest.raises(Transient):
        await host.start(uid)


async def test_start_tells_why_it_failed(host: LibvirtHost, guest: DesiredDomain, guest_folder: Path) -> None:
    uid = await defined(host, guest)
    (guest_folder / f"{uid}.raw").unlink()

    with pytest.raises(Transient, match="No such file"):
        await host.start(uid)
    assert (await there(host, uid)).state is DomainState.SHUTOFF


async def test_events_wake(host: LibvirtHost, guest: DesiredDomain, watch: Watch) -> None:
    uid = await defined(host, guest)
    await host.start(uid)
    await watch.until(uid, lambda domain: domain.state is DomainState.PAUSED)
    await host.resume(uid)
    await watch.until(uid, lambda domain: domain.state is DomainState.RUNNING)
    await watch.event(DomainEvent(uid, "lifecycle"))


async def test_crash_of_qemu_is_told_from_a_power_off(host: LibvirtHost, guest: DesiredDomain, watch: Watch) -> None:
    await (await booted(host, guest)).close()
    os.kill((await there(host, guest.uid)).pid, signal.SIGKILL)
    domain = await watch.until(guest.uid, lambda domain: not domain.is_active)

    assert (domain.state, domain.reason) == (DomainState.SHUTOFF, "crashed")


async def test_changed_definition_waits_for_the_next_start(host: LibvirtHost, guest: DesiredDomain) -> None:
    await (await booted(host, guest)).close()
    changed = with_more_memory(guest)
    await host.define(domain_xml(changed))
    domain = await there(host, guest.uid)

    assert domain.owner is not None
    assert (domain.owner.spec_hash, domain.running_spec_hash) == (spec_hash(changed), spec_hash(guest))


async def test_counters_grow(host: LibvirtHost, guest: DesiredDomain) -> None:
    uid = await defined(host, guest)
    assert uid not in await host.stats()
    await host.start(uid)
    before = (await host.stats())[uid]
    console = await host.open_console(uid)
    await host.resume(uid)
    await read_until(console, GREETING)
    await console.close()
    after = (await host.stats())[uid]

    assert after.cpu_time_ns > before.cpu_time_ns
    assert before.disk_read_bytes == 0 < after.disk_read_bytes
    assert (after.vcpus, after.memory_total_bytes) == (1, guest.memory_bytes)
    assert after.memory_used_bytes > 0


async def test_no_agent_is_no_error(host: LibvirtHost, guest: DesiredDomain) -> None:
    uid = await defined(host, guest)
    assert not (await host.guest(uid)).connected
    await (await booted(host, guest)).close()

    async with asyncio.timeout(5):
        assert not (await host.guest(uid)).connected
    assert not (await there(host, uid)).agent_connected
    with pytest.raises(Transient):
        await host.shutdown(uid, "agent")
    assert await host.addresses(uid) == []


async def test_qemu_log(host: LibvirtHost, guest: DesiredDomain) -> None:
    await (await booted(host, guest)).close()

    assert any(guest.uid in line for line in await host.log_tail(guest.domain_name, 100))
    assert await host.log_tail("../../etc/passwd", 10) == []


async def test_serial_log_has_the_boot(host: LibvirtHost, guest: DesiredDomain) -> None:
    await (await booted(host, guest)).close()
    await host.destroy(guest.uid)

    assert GREETING.strip() in await asyncio.to_thread(Path(guest.console_log).read_bytes)


async def test_network_is_made_once(host: LibvirtHost, libvirtd: Libvirtd, private_network: None) -> None:
    network = await host.ensure_network("default")
    again = await host.ensure_network("default")

    assert network == again
    assert network.active
    assert network.bridge.startswith("virbr")
    assert network in (await host.facts()).networks
    virsh(libvirtd.uri, "net-destroy", "default")
    assert (await host.ensure_network("default")).active


async def test_network_keeps_off_the_hosts_subnets(host: LibvirtHost, private_network: None) -> None:
    first = await host.ensure_network("one")
    second = await host.ensure_network("two")

    assert len(set(host_routes())) == len(host_routes())
    assert first.bridge != second.bridge


async def test_power_outlives_libvirtd(
    host: LibvirtHost, libvirtd: Libvirtd, guest: DesiredDomain, watch: Watch
) -> None:
    console = await booted(host, guest)
    before = await there(host, guest.uid)
    await host.set_power(guest.uid, Power.GUEST_OFF)
    await _kill_libvirtd(libvirtd, watch)
    after = await there(host, guest.uid)

    assert (after.pid, after.started_at, after.state) == (before.pid, before.started_at, DomainState.RUNNING)
    assert after.owner is not None
    assert after.owner.power is Power.GUEST_OFF
    assert await console.read() == b""
    await console.close()


async def test_everything_works_again_after_libvirtd_died(
    host: LibvirtHost, libvirtd: Libvirtd, guest: DesiredDomain, watch: Watch
) -> None:
    await (await booted(host, guest)).close()
    await _kill_libvirtd(libvirtd, watch)

    console = await host.open_console(guest.uid)
    await console.write(b"after")
    await read_until(console, b"after")
    await console.close()
    assert guest.uid in await host.stats()
    await host.destroy(guest.uid)
    await watch.event(DomainEvent(guest.uid, "lifecycle"))


async def test_unreachable_libvirt_is_transient_and_never_none(tmp_path: Path) -> None:
    host = await open_host(f"qemu+unix:///system?socket={tmp_path}/none")
    try:
        for ask in (host.observe("x"), host.domains(), host.facts(), host.stats(), host.define("<domain/>")):
            with pytest.raises((Transient, Terminal)):
                await ask
        with pytest.raises(Transient, match="start libvirtd"):
            await host.start("x")
        with pytest.raises(Transient, match="start libvirtd"):
            await host.open_console("x")
    finally:
        await host.close()


async def test_stopped_libvirtd_does_not_hold_the_loop(host: LibvirtHost, libvirtd: Libvirtd) -> None:
    pid = lock_holder(libvirtd.root / "run/libvirtd.pid")
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await host.domains()
    finally:
        os.kill(pid, signal.SIGCONT)
    assert isinstance(await host.domains(), list)


async def _kill_libvirtd(libvirtd: Libvirtd, watch: Watch) -> None:
    os.kill(lock_holder(libvirtd.root / "run/libvirtd.pid"), signal.SIGKILL)
    await watch.event(DomainEvent(what="reconnected"))
