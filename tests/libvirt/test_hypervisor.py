"""Whether the port's promises hold on a real libvirtd with real QEMU guests."""

import asyncio
import os
import signal
import time
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from controller.domain.build import domain_xml, spec_hash
from controller.domain.desired import DesiredDomain
from controller.hypervisor.libvirt_host import LibvirtHost, open_host
from controller.hypervisor.port import DomainEvent, DomainName, DomainState, Hypervisor, Power
from controller.hypervisor.subnets import host_routes
from hyperctl.stack.virsh import virsh
from hypersdk.errors import Terminal, Transient
from tests.libvirt.bootsector import GREETING
from tests.libvirt.conftest import Libvirtd
from tests.libvirt.guests import Watch, booted, defined, read_until, small_guest, there, with_more_memory
from tests.unit.domain.cases import CASES

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(60)]

_FOREIGN = "<domain type='qemu'><name>{name}</name><memory>16384</memory><os><type>hvm</type></os></domain>"


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


@pytest.mark.parametrize("name", ["small", "full", "pc", "no-agent", "head-room", "uefi", "secure-boot"])
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
