"""Whether an edit of a running VM's spec reaches the guest through API and controller, and no edit costs data."""

from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import pytest

from hyperctl.stack.virsh import virsh
from hypersdk.model.base import JsonObject, condition
from hypersdk.model.kinds import VIRTUAL_MACHINES
from hypersdk.model.virtualmachine import Phase
from tests.controlplane.api import Api
from tests.libvirt.benches import lone_bench
from tests.libvirt.bootsector import write_echo_disk
from tests.libvirt.conftest import Libvirtd
from tests.libvirt.controllers import Bench

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(180)]

NAME = "edited"
ROOT: JsonObject = {"name": "root", "size": "16Mi"}
LAN: JsonObject = {"name": "lan", "macAddress": "52:54:00:79:00:01"}


@pytest.fixture
async def here(
    embedded_api: Api, libvirtd: Libvirtd, guest_folder: Path, private_network: None
) -> AsyncIterator[Bench]:
    """A controller with a guest that runs and knows nothing of hot-plug."""
    async with lone_bench(embedded_api, libvirtd, guest_folder) as bench:
        image = write_echo_disk(bench.controller.images / "echo.raw")
        await bench.create(NAME, f"file://{image}", memory="1Gi", disks=[ROOT], guestAgent={"enabled": False})
        await bench.until_phase(NAME, Phase.RUNNING, "Running")
        yield bench


async def test_edited_spec_reaches_the_running_guest(here: Bench, libvirtd: Libvirtd) -> None:
    pid, uid = here.vm(NAME).status.qemu_pid, here.vm(NAME).metadata.uid
    await _edit(here, cpus=3, memory="2Gi", disks=[ROOT, _data("64Mi")], networks=[{"name": "default"}, LAN])
    await here.until(lambda: _is_seen(here) and _restart(here) == "")
    domain = _live(libvirtd, uid)
    assert domain.find("vcpu[@current='3']") is not None
    assert domain.findtext("memory") == str(2 * 2**20)
    assert len(domain.findall("devices/disk[@device='disk']")) == 2
    assert domain.find(f"devices/interface/mac[@address='{LAN['macAddress']}']") is not None
    told = [event.message or "" for event in await here.events() if event.reason == "ChangedLive"]
    assert sorted(message.partition(":")[0] for message in told) == ["cpus", "disks", "memory", "networks"]

    await _edit(here, disks=[ROOT, _data("128Mi")])
    await here.until(lambda: _is_seen(here) and _size(libvirtd, uid) == 128 << 20)

    # A successor finds what was made, and makes what was asked for meanwhile.
    await here.controller.kill()
    await _edit(here, cpus=4)
    await here.controller.start()
    await here.until(lambda: _is_seen(here) and _restart(here) == "")
    assert _live(libvirtd, uid).find("vcpu[@current]") is None
    assert _live(libvirtd, uid).findtext("vcpu") == "4"
    assert len(_live(libvirtd, uid).findall("devices/disk[@device='disk']")) == 2

    # This guest lets go of nothing: the spec waits, with the reason, and the data stays.
    await _edit(here, disks=[ROOT], cpus=1)
    await here.until(lambda: "let go" in _restart(here))
    assert _restart(here).startswith("changed since the guest was started: cpus, disks\n")
    assert any(name.endswith("-disk-data.qcow2") for name in here.controller.files())

    # Asked for again, and for less of it: the disk comes back as it was.
    await _edit(here, disks=[ROOT, _data("32Mi")])
    await here.until(lambda: here.reason(NAME, "DiskReady") == "ShrinkRefused")
    assert _size(libvirtd, uid) == 128 << 20
    assert here.vm(NAME).status.qemu_pid == pid
    await here.delete(NAME)
    assert not any(uid in name for name in here.controller.files())


def _data(size: str) -> JsonObject:
    return {"name": "data", "size": size}


async def _edit(here: Bench, **spec: JsonObject | int | str | list[JsonObject]) -> None:
    await here.client.patch(VIRTUAL_MACHINES, here.namespace, NAME, {"spec": spec})  # type: ignore[dict-item]
    generation = (await here.client.get(VIRTUAL_MACHINES, here.namespace, NAME)).metadata.generation
    await here.until(lambda: here.vm(NAME).metadata.generation == generation)


def _is_seen(here: Bench) -> bool:
    vm = here.vm(NAME)
    return vm.status.observed_generation == vm.metadata.generation


def _restart(here: Bench) -> str:
    found = condition(here.vm(NAME).status.conditions, "RestartRequired")
    return (found.message or "") if found else ""


def _live(libvirtd: Libvirtd, uid: str) -> Element:
    return fromstring(virsh(libvirtd.uri, "dumpxml", uid))


def _size(libvirtd: Libvirtd, uid: str) -> int:
    return int(virsh(libvirtd.uri, "domblkinfo", uid, "vdb").split()[1])
