"""The files behind a running VM's changes: what is made before, what there is no room for, what never gets smaller."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from controller.domain.build import domain_xml
from controller.domain.parse import parse_domain
from controller.hypervisor.port import Hardware
from controller.node.desired import HostView, desired_domain
from controller.node.finding import NotYet
from controller.node.layout import NOTHING
from controller.node.live import AttachDisk, GrowDisk, PlugCpus
from controller.node.networks import Attachment
from controller.node.places import NodePlaces
from controller.node.running import Offer, RunningVms
from hypersdk.errors import Terminal
from hypersdk.model.virtualmachine import ImageProgress, VirtualMachine
from tests.unit.node.builders import machine

MIB = 2**20
DATA = {"name": "data", "size": "64Mi"}
LOGS = {"name": "logs", "size": "64Mi"}


def qcow2(path: Path, size: int) -> Path:
    """The header of a disk, which is all that is looked at."""
    path.write_bytes(b"QFI\xfb" + bytes(20) + size.to_bytes(8, "big"))
    return path


@dataclass
class Files:
    """Storage that makes blank disks."""

    places: NodePlaces
    outcome: ImageProgress | Exception | None = None
    asked: int = 0
    removed: list[str] = field(default_factory=list)

    async def prepare(self, vm: VirtualMachine, wake: Any, there: Hardware = NOTHING) -> ImageProgress | None:
        self.asked += 1
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def retry(self, uid: str) -> None: ...

    async def keep(self, vm: VirtualMachine, written: Mapping[str, str]) -> list[Path]:
        return []

    async def remove(self, uid: str) -> None:
        self.removed.append(uid)


@dataclass
class Node:
    """A node where a VM runs with one blank disk of 64 MiB."""

    state: Path
    overcommit: int = 1000

    def __post_init__(self) -> None:
        self.places = NodePlaces(self.state)
        self.places.make()
        self.files = Files(self.places)
        self.started = self.desired(disks=[DATA])
        self.data = qcow2(Path(self.started.disks[0].path), 64 * MIB)

    def desired(self, **spec: Any) -> Any:
        return desired_domain(machine(image=None, **spec), HostView(self.places, "qemu", Attachment("user")))

    async def offer(self, **spec: Any) -> Offer:
        vms = RunningVms(self.files, self.places, self.overcommit)
        hardware = parse_domain(domain_xml(self.started)).hardware
        wanted = self.desired(**spec)
        return await vms.offer(machine(image=None, **spec), self.started, hardware, wanted, lambda: None)

    async def too_large(self, **spec: Any) -> str:
        found = await RunningVms(self.files, self.places, 1).too_large(machine(image=None, **spec))
        return found.reason if found else ""


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def kinds(offer: Offer) -> list[type]:
    return [type(change) for change in offer.changes]


async def test_what_is_as_wanted_asks_nobody(node: Node) -> None:
    offer = await node.offer(disks=[DATA])
    assert (offer.changes, offer.disks, node.files.asked) == ((), None, 0)


async def test_file_of_a_new_disk_is_made_first(node: Node) -> None:
    assert kinds(await node.offer(disks=[DATA, LOGS])) == [AttachDisk]
    assert node.files.asked == 1


async def test_disk_grows_before_storage_looks_at_the_others(node: Node) -> None:
    offer = await node.offer(disks=[DATA | {"size": "96Mi"}, LOGS])
    assert offer.changes == (GrowDisk("data", str(node.data), 96 * MIB),)
    assert node.files.asked == 0
    qcow2(node.data, 96 * MIB)
    assert kinds(await node.offer(disks=[DATA | {"size": "96Mi"}, LOGS])) == [AttachDisk]


async def test_disk_does_not_grow_beyond_what_the_pool_may_promise(node: Node) -> None:
    node.overcommit = 1
    offer = await node.offer(disks=[DATA | {"size": "9000Ti"}], cpus=3)
    assert kinds(offer) == [PlugCpus]
    assert offer.disks is not None
    assert offer.disks.reason == "InsufficientStorage"
    assert offer.retry_in_s


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (ImageProgress(bytes_transferred=1), "Importing"),
        (NotYet("PoolNotReady", "not yet", 10.0), "PoolNotReady"),
        (Terminal("ImageInvalid", "never"), "ImageInvalid"),
    ],
)
async def test_disk_that_cannot_be_had_holds_up_the_disks_alone(node: Node, outcome: Any, reason: str) -> None:
    node.files.outcome = outcome
    offer = await node.offer(disks=[DATA, LOGS], cpus=3)
    assert kinds(offer) == [PlugCpus]
    assert offer.gap.fields == ("cpus", "disks")
    assert offer.disks is not None
    assert offer.disks.reason == reason


async def test_disk_never_gets_smaller(node: Node) -> None:
    offer = await node.offer(disks=[DATA | {"size": "32Mi"}])
    assert offer.changes == ()
    assert offer.disks is not None
    assert (offer.disks.status, offer.disks.reason) == ("False", "ShrinkRefused")
    assert "data has 64Mi" in offer.disks.message
    assert await node.too_large(disks=[DATA | {"size": "32Mi"}]) == "ShrinkRefused"
    assert await node.too_large(disks=[DATA]) == ""
