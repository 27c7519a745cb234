"""GPUs of a recorded host, given out by a real controller: what libvirt takes, and who has which."""

import asyncio
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import fromstring

import libvirt
import pytest

from controller.domain.build import domain_xml
from controller.domain.desired import HostDevice
from controller.domain.host_devices import read_host_devices
from controller.hypervisor import lifecycle
from controller.hypervisor.observe import all_host_devices
from hyperctl.stack.virsh import virsh
from hypersdk.model.base import JsonObject, condition
from hypersdk.model.kinds import VM_NODES
from hypersdk.model.virtualmachine import Phase
from tests.controlplane.api import Api
from tests.libvirt.benches import lone_bench
from tests.libvirt.bootsector import write_echo_disk
from tests.libvirt.conftest import Libvirtd
from tests.libvirt.controllers import NODE, Bench
from tests.libvirt.guests import small_guest
from tests.unit.hypervisor.sysfs import MDEV, write

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(120)]

T4S = {"0000:3b:00.0", "0000:5e:00.0"}


def test_libvirts_test_driver_takes_them_and_tells_them_again(tmp_path: Path) -> None:
    devices = (HostDevice("pci", "0000:65:00.0"), HostDevice("pci", "0000:65:00.1"), HostDevice("mdev", MDEV))
    guest = replace(small_guest(tmp_path), host_devices=devices, tpm=True)
    connection = libvirt.open("test:///default")
    try:
        lifecycle.define(connection, domain_xml(guest).replace('<domain type="qemu">', '<domain type="test">'))
        assert all_host_devices(connection) == {guest.uid: ("0000:65:00.0", "0000:65:00.1", MDEV)}
        text = connection.lookupByUUIDString(guest.uid).XMLDesc()
        assert fromstring(text).find("devices/tpm/backend[@version='2.0']") is not None
    finally:
        connection.close()


async def test_each_gpu_is_in_one_definition_and_the_node_tells_whose_it_is(
    embedded_api: Api, libvirtd: Libvirtd, guest_folder: Path
) -> None:
    sysfs = await asyncio.to_thread(write, guest_folder / "sys")
    options = ("--sysfs", str(sysfs), "--gpu", "nvidia-tesla-t4=10de:1eb8", "--gpu", "vgpu=nvidia-222")
    async with lone_bench(embedded_api, libvirtd, guest_folder, *options) as here:
        image = f"file://{write_echo_disk(here.controller.images / 'echo.raw')}"
        for name in ("one", "two"):
            await _ask(here, name, image)
            await here.until_phase(name, Phase.STOPPED)
        given = [_devices(libvirtd, here.vm(name).metadata.uid) for name in ("one", "two")]
        assert [len(each) for each in given] == [1, 1]
        assert {*given[0], *given[1]} == T4S
        await _ask(here, "three", image)
        await here.until(lambda: "0 of the 1 GPUs nvidia-tesla-t4 are left" in _words(here, "three"))
        node = await here.client.get(VM_NODES, "", NODE)
        told = {gpu.address: gpu for gpu in node.status.gpus or []}
        assert [told[address].name for address in sorted(T4S)] == ["nvidia-tesla-t4"] * 2
        assert (told[MDEV].name, told[MDEV].available) == ("vgpu", True)
        assert told["0000:65:00.0"].reason == "not for VMs: start the controller with --gpu NAME=10de:20b0"


async def _ask(here: Bench, name: str, image: str) -> None:
    devices: JsonObject = {"gpus": [{"name": "nvidia-tesla-t4", "count": 1}]}
    await here.create(name, image, memory="64Mi", running=False, devices=devices)


def _devices(libvirtd: Libvirtd, uid: str) -> tuple[str, ...]:
    return read_host_devices(fromstring(virsh(libvirtd.uri, "dumpxml", uid)))


def _words(here: Bench, name: str) -> str:
    vm = here.vms.get(here.namespace, name)
    found = condition(vm.status.conditions, "Ready") if vm is not None else None
    return (found.message or "") if found is not None else ""
