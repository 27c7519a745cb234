"""Whether our private libvirtd really serves, survives its own death and leaves guests alone."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from hyperctl.stack.libvirtd import wait_ready
from hyperctl.stack.log_owner import give_away
from hyperctl.stack.supervisor import lock_holder
from hyperctl.stack.virsh import active_domains, active_networks, virsh
from tests.libvirt.conftest import Libvirtd

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(60)]

_NOBODY = 65534

_GUEST = """
<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>64</memory>
  <os><type machine='q35'>hvm</type></os>
  <devices>
    <disk type='file'><driver name='qemu' type='qcow2'/><source file='{disk}'/><target dev='vda' bus='virtio'/></disk>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <serial type='pty'><log file='/var/log/libvirt/qemu/{name}-serial.log'/></serial>
  </devices>
</domain>
"""

_NETWORK = """
<network><name>{name}</name><forward mode='nat'/><bridge name='hvtest0' stp='off'/>
<ip address='192.168.211.1' netmask='255.255.255.0'><dhcp><range start='192.168.211.2' end='192.168.211.9'/></dhcp></ip>
</network>
"""


def _started(libvirtd: Libvirtd, folder: Path, name: str) -> str:
    disk = folder / f"{name}.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "8M"], check=True)
    xml = folder / f"{name}.xml"
    xml.write_text(_GUEST.format(name=name, disk=disk))
    virsh(libvirtd.uri, "create", str(xml), "--paused")
    return virsh(libvirtd.uri, "domuuid", name).strip()


def test_libvirtd_has_no_kvm_and_no_network_of_its_own(fresh_libvirtd: Libvirtd) -> None:
    capabilities = virsh(fresh_libvirtd.uri, "capabilities")

    assert "<domain type='qemu'/>" in capabilities
    assert "<domain type='kvm'/>" not in capabilities
    assert active_networks(fresh_libvirtd.uri) == []


def test_guest_runs_as_a_user_that_is_not_root(libvirtd: Libvirtd, guest_folder: Path) -> None:
    uuid = _started(libvirtd, guest_folder, "unprivileged")
    pid = int((libvirtd.root / "run/qemu/unprivileged.pid").read_text())

    assert Path(f"/proc/{pid}").stat().st_uid != 0

    virsh(libvirtd.uri, "destroy", uuid)


@pytest.mark.usefixtures("private_network")
def test_network_comes_up_and_goes_down(libvirtd: Libvirtd, guest_folder: Path) -> None:
    before = active_networks(libvirtd.uri)
    xml = guest_folder / "net.xml"
    xml.write_text(_NETWORK.format(name="stack"))
    virsh(libvirtd.uri, "net-create", str(xml))
    pid = int((libvirtd.root / "run/network/stack.pid").read_text())

    assert Path(f"/proc/{pid}/comm").read_text().strip() == "dnsmasq"

    virsh(libvirtd.uri, "net-destroy", "stack")
    assert active_networks(libvirtd.uri) == before


def test_killed_libvirtd_comes_back_and_finds_its_guest(libvirtd: Libvirtd, guest_folder: Path) -> None:
    uuid = _started(libvirtd, guest_folder, "survivor")
    qemu = int((libvirtd.root / "run/qemu/survivor.pid").read_text())
    killed = lock_holder(libvirtd.root / "run/libvirtd.pid")

    os.kill(killed, signal.SIGKILL)
    wait_ready(libvirtd.root, 20)

    assert lock_holder(libvirtd.root / "run/libvirtd.pid") not in {0, killed}
    assert uuid in active_domains(libvirtd.uri)
    assert int((libvirtd.root / "run/qemu/survivor.pid").read_text()) == qemu
    virsh(libvirtd.uri, "destroy", uuid)


def test_stopped_guest_is_reaped_at_once(libvirtd: Libvirtd, guest_folder: Path) -> None:
    uuid = _started(libvirtd, guest_folder, "reaped")

    began = time.monotonic()
    virsh(libvirtd.uri, "destroy", uuid)

    assert time.monotonic() - began < 1.5


def test_serial_logs_of_an_ordinary_owner_become_the_owners(guest_folder: Path) -> None:
    logs = guest_folder / "one"
    logs.mkdir()
    os.chown(logs, _NOBODY, -1)
    (logs / "serial.log").write_text("boot")
    (guest_folder / "elsewhere.log").write_text("secret")
    (logs / "link.log").symlink_to(guest_folder / "elsewhere.log")
    os.link(guest_folder / "elsewhere.log", logs / "second-name.log")
    (guest_folder / "of-root").mkdir()
    (guest_folder / "of-root" / "serial.log").write_text("root's")

    give_away(guest_folder, _NOBODY)

    assert (logs / "serial.log").stat().st_uid == _NOBODY
    assert (guest_folder / "elsewhere.log").stat().st_uid == 0
    assert (guest_folder / "of-root" / "serial.log").stat().st_uid == 0
