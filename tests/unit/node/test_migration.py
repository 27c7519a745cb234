"""The parts of a move that only think: where to, how far, how fast, and what is in its way."""

import subprocess
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.hypervisor.mover import TransferState
from controller.node.machine_state import MOST_BYTES
from controller.node.migration.choice import movable, reachable, target
from controller.node.migration.leaving import check_clones, remove_files
from controller.node.migration.messages import packed, unpacked
from controller.node.migration.outgoing import mib_per_second
from controller.node.migration.records import Record, Records
from controller.node.migration.sockets import Folder
from controller.node.migration.verdict import figures, percent, verdict, words
from controller.node.places import NodePlaces
from hypersdk.errors import Terminal
from hypersdk.model.base import JsonObject
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmnode import VMNode
from hypersdk.model.vmsnapshot import VMSnapshot

UID = "5b702a2b-c0dd-4c09-9365-cc3b254666c5"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MIB = 2**20
MOVING = TransferState(memory_total=1024 * MIB, memory_bps=40 * MIB, memory_remaining=400 * MIB, iterations=2)


def vm(**spec: object) -> VirtualMachine:
    whole = {"cpus": 1, "memory": "1Gi"} | spec
    meta = {"name": "web", "namespace": "default", "uid": UID}
    return VirtualMachine.model_validate({"metadata": meta, "spec": whole, "status": {"nodeName": "node-1"}})


def node(name: str, memory: str = "8Gi", address: str = "10.0.0.1:8443", **spec: object) -> VMNode:
    status: JsonObject = {
        "conditions": [{"type": "Ready", "status": "True"}],
        "lastHeartbeatTime": "2026-01-01T00:00:00Z",
        "allocatable": {"cpus": 4, "memory": memory},
        "gatewayAddress": address,
    }
    return VMNode.model_validate({"metadata": {"name": name}, "spec": spec, "status": status})


def test_the_best_of_the_other_nodes_is_chosen() -> None:
    nodes = [node("node-1", "64Gi"), node("node-2", "4Gi"), node("node-3", "8Gi")]
    assert target(vm(), None, nodes, [vm()], NOW) == "node-3"
    assert target(vm(), "node-2", nodes, [vm()], NOW) == "node-2"


@pytest.mark.parametrize(
    ("wanted", "others", "reason", "said"),
    [
        ("node-1", [node("node-2")], "AlreadyThere", "is on node node-1 already"),
        ("node-9", [node("node-2")], "NodeNotFound", "the others are: node-2"),
        ("node-2", [node("node-2", unschedulable=True)], "NodeRefuses", "it is cordoned"),
        ("node-2", [node("node-2", "512Mi")], "NodeRefuses", "of the 1.0Gi memory are left"),
        (None, [node("node-2", "512Mi")], "Unschedulable", "node-2: 512Mi of the 1.0Gi memory are left"),
        (None, [], "Unschedulable", "there is no other node than node-1"),
    ],
    ids=["same", "unknown", "cordoned", "full", "all full", "alone"],
)
def test_no_node_is_told_with_the_reason(wanted: str | None, others: list[VMNode], reason: str, said: str) -> None:
    with pytest.raises(Terminal) as refused:
        target(vm(), wanted, [node("node-1"), *others], [vm()], NOW)
    assert refused.value.reason == reason
    assert said in str(refused.value)


def test_nodes_without_a_gateway_are_named() -> None:
    reachable([node("node-1"), node("node-2")], "node-1", "node-2")
    with pytest.raises(Terminal, match="node node-2 has no gateway") as refused:
        reachable([node("node-1"), node("node-2", address="")], "node-1", "node-2")
    assert refused.value.reason == "NoWay"


def test_snapshots_would_be_lost_and_are_named() -> None:
    mine = VMSnapshot.model_validate({"metadata": {"name": "before"}, "spec": {"vmRef": {"name": "web"}}})
    other = VMSnapshot.model_validate({"metadata": {"name": "other"}, "spec": {"vmRef": {"name": "db"}}})
    movable(vm(), [other])
    with pytest.raises(Terminal, match=r"lost \(before\): .* `(.*)`, or leave it") as refused:
        movable(vm(), [mine, other])
    assert "`hyperctl k8s vm snapshot delete web -n default -snapshot before`" in str(refused.value)
    assert refused.value.reason == "HasSnapshots"


def test_devices_of_its_node_stay() -> None:
    with pytest.raises(Terminal, match="owns a device of its node"):
        movable(vm(devices={"gpus": [{"name": "a100"}]}), [])


def test_a_machines_state_comes_whole_or_not_at_all() -> None:
    variables = b"\xff" * (512 << 10) + b"boot entry"
    assert unpacked(packed(variables)) == variables
    assert len(packed(variables)) < 4096
    assert unpacked(packed(b"")) == b""
    for broken in (packed(variables)[:-8], "no base64!", packed(b"\0" * (MOST_BYTES + 1))):
        with pytest.raises(Terminal, match="state"):
            unpacked(broken)


@pytest.mark.parametrize(
    ("below", "above", "refused"),
    [("disks", "disks", True), ("both", "both", False), ("both", "disks", True), ("disks", "both", True)],
    ids=["both here", "both on shared storage", "the clone here", "the original here"],
)
def test_what_clones_stand_on_leaves_only_with_them(tmp_path: Path, below: str, above: str, refused: bool) -> None:
    places = NodePlaces(tmp_path, {"both": tmp_path / "both"})
    folders = {"disks": tmp_path / "disks", "both": tmp_path / "both"}
    for folder in folders.values():
        folder.mkdir()
    mine, clone = folders[below] / f"{UID}-root.qcow2", folders[above] / f"{UID[:-1]}6-root.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(mine), "1M"], check=True)
    on = ["-F", "qcow2", "-b", str(mine)]
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *on, str(clone)], check=True)
    record = Record(UID, "default", "web", "move", "node-2", (str(folders["both"]),))
    with pytest.raises(Terminal, match="linked clones here stand on its disks") if refused else nullcontext():
        check_clones(places, record)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"iterations": 1}, "the first pass takes 10 s more"),
        ({"dirty_bps": 30 * MIB}, "will converge in 40 s"),
        ({"dirty_bps": 50 * MIB}, "will not converge: the guest writes 50Mi/s, 40Mi/s are copied; raise the bandwidth"),
        ({"dirty_bps": 50 * MIB, "throttle_percent": 30}, "the guest is slowed down by 30%"),
        ({"memory_bps": 0}, "no rate is known yet"),
        ({"memory_total": 0, "disk_total": 5}, "the disks come first"),
        ({"memory_total": 0}, "preparing"),
    ],
    ids=["first pass", "converges", "does not", "throttled", "no rate", "disks", "nothing yet"],
)
def test_verdict(changes: dict[str, int], said: str) -> None:
    state = TransferState(**{**vars(MOVING), **changes})
    assert said in verdict(state)
    assert verdict(state) in words(state)
    assert figures(state)["verdict"] == verdict(state)


def test_progress_has_the_disks_before_the_memory() -> None:
    told = [
        percent(TransferState()),
        percent(TransferState(disk_total=100, disk_remaining=50)),
        percent(TransferState(disk_total=100)),
        percent(TransferState(disk_total=100, memory_total=100, memory_remaining=60)),
        percent(TransferState(disk_total=100, memory_total=100)),
    ]
    assert told == sorted(told)
    assert (told[0], told[-1]) == (15, 90)


@pytest.mark.parametrize(
    ("bandwidth", "mib"),
    [(None, 0), ("", 0), ("0bps", 0), ("1Gbps", 119), ("100Mbps", 11), ("24Mbps", 2), ("64Kbps", 1), ("9bps", 1)],
)
def test_bandwidth_in_the_unit_of_libvirt(bandwidth: str | None, mib: int) -> None:
    assert mib_per_second(bandwidth) == mib


def test_records_outlive_the_process(tmp_path: Path) -> None:
    records = Records(tmp_path)
    record = Record(UID, "default", "web", "move", "node-2", ("/shared",))
    assert records.all("incoming") == []
    records.write("incoming", record)
    assert records.all("incoming") == [record]
    assert records.read("outgoing", UID) is None
    records.forget("incoming", UID)
    records.forget("incoming", UID)
    assert records.read("incoming", UID) is None


def test_nothing_on_shared_storage_is_removed(tmp_path: Path) -> None:
    places = NodePlaces(tmp_path / "state", {"shared": tmp_path / "shared"})
    places.make()
    own, shared = places.disk(UID, "standard", "root.qcow2"), places.disk(UID, "shared", "disk-data.qcow2")
    for path in (own, shared):
        path.touch()
    places.seed(UID).parent.mkdir()
    remove_files(places, Record(UID, "default", "web", "move", "node-2", (str(tmp_path / "shared"),)))
    assert not own.exists()
    assert not places.seed(UID).parent.exists()
    assert shared.exists()


@pytest.mark.parametrize("name", ["../x", "libvirt/x", "", "copy-", "copy-123"])
def test_only_names_of_sockets_are_sockets(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no socket of a move"):
        Folder(tmp_path, UID).socket(name)
