"""The domain that a spec asks for, and what no domain can be made from."""

from dataclasses import replace
from typing import Any

import pytest

from controller.domain.desired import DiskFile, Interface
from controller.node.definitions import drift
from controller.node.desired import desired_domain, from_json, to_json
from controller.node.networks import Attachment, as_defined, stable_mac
from hypersdk.errors import Terminal
from tests.unit.node.builders import HOST, UID, domain, machine, wanted

SEED = DiskFile("seed", f"/state/seeds/{UID}/seed.iso", "raw", device="cdrom", read_only=True)


def disk(name: str = "data", size: str = "1Gi", **more: Any) -> dict[str, Any]:
    return {"name": name, "size": size} | more


def test_everything_of_the_spec_is_in_the_domain() -> None:
    made = wanted(
        cpus=3,
        memory="2Gi",
        machineType="q35",
        firmware={"bootloader": "uefi", "secureBoot": True},
        guestAgent={"enabled": False},
        disks=[disk("os", bootOrder=2), disk("fast", storageClass="fast")],
        networks=[
            {"name": "default"},
            {"name": "br-lab", "type": "bridge", "macAddress": "02:00:00:AA:BB:CC"},
            {"name": "lab", "type": "multus", "multusNetworkName": "infra/br-lab"},
        ],
    )
    assert (made.cpus, made.memory_bytes, made.machine) == (3, 2 << 30, "q35")
    assert (made.uefi, made.secure_boot, made.guest_agent) == (True, True, False)
    assert made.disks == (
        DiskFile("os", f"/state/disks/{UID}-root.qcow2", "qcow2", boot_order=2),
        DiskFile("fast", f"/fast/{UID}-disk-fast.qcow2", "qcow2"),
        SEED,
    )
    assert made.interfaces == (
        Interface("default", "network", stable_mac(UID, "default"), "default"),
        Interface("br-lab", "bridge", "02:00:00:aa:bb:cc", "br-lab"),
        Interface("lab", "bridge", stable_mac(UID, "lab"), "br-lab"),
    )
    assert made.console_log == f"/state/consoles/{UID}/serial.log"
    assert made.virtio_log == f"/state/consoles/{UID}/console1.log"


@pytest.mark.parametrize(
    ("spec", "disks"),
    [
        ({"image": None}, ()),
        ({}, (DiskFile("root", f"/state/disks/{UID}-root.qcow2", "qcow2"),)),
        ({"image": None, "disks": [disk()]}, (DiskFile("data", f"/state/disks/{UID}-disk-data.qcow2", "qcow2"),)),
    ],
    ids=["neither", "image alone", "disks alone"],
)
def test_disks_with_and_without_an_image(spec: dict[str, Any], disks: tuple[DiskFile, ...]) -> None:
    assert wanted(**spec).disks == (*disks, SEED)


def test_mac_stays_and_differs_by_machine_and_network() -> None:
    assert stable_mac(UID, "a") == stable_mac(UID, "a")
    assert len({stable_mac(UID, "a"), stable_mac(UID, "b"), stable_mac("x", "a")}) == 3
    assert stable_mac(UID, "a").startswith("52:")


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"memory": "0Gi"}, "InvalidMemory"),
        ({"firmware": {"secureBoot": True}}, "InvalidFirmware"),
        ({"firmware": {"bootloader": "uefi", "secureBoot": True}, "machineType": "pc"}, "InvalidFirmware"),
        ({"disks": [disk(), disk()]}, "DuplicateDiskName"),
        ({"disks": [disk("../../etc/shadow")]}, "InvalidDiskName"),
        ({"disks": [disk("-o")]}, "InvalidDiskName"),
        ({"disks": [disk("a..b")]}, "InvalidDiskName"),
        ({"disks": [disk("x" * 64)]}, "InvalidDiskName"),
        ({"disks": [disk("a\nb")]}, "InvalidDiskName"),
        ({"disks": [disk(size="0Gi")]}, "InvalidDiskSize"),
        ({"disks": [disk(storageClass="gold")]}, "StorageClassNotFound"),
        ({"disks": [disk(type="cdrom", source={"s3": "http://h/x"})]}, "InvalidDiskSource"),
        ({"disks": [disk(source={"pvc": "p"})]}, "DiskSourceUnsupported"),
        ({"networks": [{"name": "a"}, {"name": "a"}]}, "DuplicateNetworkName"),
        ({"networks": [{"name": "lab", "type": "multus"}]}, "NetworkNotFound"),
        ({"networks": [{"name": "eth0", "type": "bridge"}]}, "NetworkNotFound"),
        ({"networks": [{"name": "a/../b", "type": "bridge"}]}, "InvalidBridgeName"),
        ({"networks": [{"name": "-x", "type": "bridge"}]}, "InvalidBridgeName"),
        ({"networks": [{"name": "a", "macAddress": "01:00:5e:00:00:01"}]}, "InvalidMAC"),
        (
            {"networks": [{"name": n, "macAddress": "02:00:00:00:00:01"} for n in "ab"]},
            "DuplicateMAC",
        ),
    ],
)
def test_bad_specs_are_refused_for_a_reason(spec: dict[str, Any], reason: str) -> None:
    with pytest.raises(Terminal) as refused:
        wanted(**spec)
    assert refused.value.reason == reason


@pytest.mark.parametrize("uid", ["", "../x", "6F1C1D2E-3F4A-4B5C-8D6E-7F8091A2B3C4", "not-a-uuid"])
def test_paths_are_made_of_real_uids_only(uid: str) -> None:
    with pytest.raises(Terminal):
        desired_domain(machine(metadata={"uid": uid}), HOST)


def test_definition_survives_the_disk() -> None:
    made = wanted(disks=[disk("os")])
    assert from_json(to_json(made)) == made


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"uid": 1}'])
def test_unreadable_definition_is_unknown(text: str) -> None:
    assert from_json(text) is None


def test_running_machine_keeps_its_head_room_while_the_wish_fits() -> None:
    running = wanted(cpus=1, memory="1Gi")
    assert (running.max_cpus, running.max_memory_bytes) == (4, 4 << 30)
    within = desired_domain(machine(cpus=4, memory="4Gi"), HOST, running)
    assert (within.max_cpus, within.max_memory_bytes) == (4, 4 << 30)
    beyond = desired_domain(machine(cpus=5, memory="5Gi"), HOST, running)
    assert (beyond.max_cpus, beyond.max_memory_bytes) == (16, 20 << 30)


def test_drift_is_told_of_running_guests_only() -> None:
    running, changed = wanted(), wanted(cpus=40)
    assert drift(domain(), running, running).fields == ()
    assert drift(domain(), running, changed).fields == ("cpus",)
    assert drift(domain(), None, changed).fields == ("spec",)
    assert drift(domain(), None, running).fields == ()
    assert drift(None, None, changed).fields == ()


def test_running_domain_keeps_what_the_pod_network_was() -> None:
    by_user_mode = desired_domain(machine(), HOST.__class__(HOST.places, "qemu", Attachment("user")))
    by_bridge = desired_domain(machine(), replace(HOST, pod=Attachment("bridge", "br-pods")))
    assert as_defined(machine(), by_user_mode, "default").pod == Attachment("user")
    assert as_defined(machine(), by_user_mode, "default").finding.reason == "UserMode"
    assert as_defined(machine(), by_bridge, "default").pod == Attachment("bridge", "br-pods")
    assert as_defined(machine(), wanted(), "other").pod == Attachment("network", "default")
    assert as_defined(machine(), None, "other").pod == Attachment("network", "other")
    assert as_defined(machine(), None, "bridge:br0").pod == Attachment("bridge", "br0")
