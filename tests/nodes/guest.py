"""A counting guest in the lab: how it begins to move, and what must be true of it whatever came."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from controller.node.plan import is_held_for_good
from hypersdk.model.base import JsonObject, condition
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmoperation import OperationPhase, VMOperation
from tests.nodes.counting import has_gone_on, numbers
from tests.nodes.lab import Lab

FAST, SLOW, SLOWEST = "64Mbps", "32Mbps", "8Mbps"
"""7 MiB a second, 3 a second, and 1: its 4 MiB of disk take some seconds, in which a test does what it does."""
WITHIN = 180.0


@dataclass
class Guest:
    """One counting guest in the lab."""

    lab: Lab
    name: str
    image: Path
    storage_class: str = "standard"

    @property
    def uid(self) -> str:
        return self.lab.vm(self.name).metadata.uid

    @property
    def node(self) -> str:
        """The one that owns it."""
        return self.lab.vm(self.name).status.node_name or ""

    @property
    def at(self) -> int:
        return int(self.node.removeprefix("node-")) - 1

    @property
    def other(self) -> str:
        return {"node-1": "node-2", "node-2": "node-1"}[self.node]

    @property
    def log(self) -> Path:
        """What it has said, on the node that owns it."""
        return self.log_on(self.at)

    def log_on(self, at: int) -> Path:
        """What is known on a node of what it has said."""
        return self.lab.controllers[at].state / "consoles" / self.uid / "serial.log"

    async def begin(self) -> None:
        """Create it, and see it count."""
        disks: JsonObject = {"name": "root", "size": "10Mi", "storageClass": self.storage_class}
        small = {"memory": "32Mi", "guestAgent": {"enabled": False}}
        await self.lab.create(self.name, f"file://{self.image}", disks=[disks], **small)  # type: ignore[arg-type]
        await self.lab.until_phase(self.name, Phase.RUNNING)
        await self.counts()

    async def counts(self, more: int = 3) -> list[int]:
        """Wait for so many more numbers; asking libvirt in between is pause enough."""
        before = len(numbers(self.log))
        async with asyncio.timeout(WITHIN):
            while len(said := numbers(self.log)) < before + more:
                await self.lab.running_on(self.name)
        return said

    async def is_whole(self) -> None:
        """It runs on the node that owns it and nowhere else, and has counted on through all that happened."""
        said = await self.counts()
        since = said[len(said) - said[::-1].index(1) - 1 :]  # what it says since its last start
        assert has_gone_on(since), said
        assert await self.lab.running_on(self.name) == [self.node]

    async def leaves_nothing(self, node: str) -> None:
        """Nothing of it stays on a node that does not own it: no domain, no file, no socket."""
        at = int(node.removeprefix("node-")) - 1
        controller, host = self.lab.controllers[at], self.lab.hosts[at]
        moves = controller.state / "moves"
        async with asyncio.timeout(WITHIN):
            while list(moves.glob("*/*")) or await host.observe(self.uid) is not None:
                await self.lab.running_on(self.name)
        assert self.lab.files(self.name)[node] == set()
        assert self.lab.nodes[at].run("sh", "-c", "ls /run/hypersdk/migration 2>/dev/null || true") == ""

    async def begins_to_move(self, bandwidth: str = SLOW) -> VMOperation:
        """Slowly, and with a part of its disk on the way."""
        made = await self.lab.begin_move(self.name, targetNode=self.other, bandwidth=bandwidth)
        await self.lab.until_of(self.lab.operations, lambda: _is_copying(self.lab.op(made)), WITHIN)
        assert self.lab.vm(self.name).phase is Phase.MIGRATING
        return made

    async def begins_to_be_followed(self) -> tuple[VMOperation, int]:
        """By post-copy: it runs over there, and its memory follows; with the place of the node that it leaves."""
        while True:
            at = self.at
            # Slowed down it would take some passes more until nothing else helps.
            made = await self.lab.begin_move(
                self.name, targetNode=self.other, bandwidth=FAST, autoConverge=False, postCopy=True
            )
            if await self._is_followed(made, at):
                return made, at
            assert self.lab.op(made).phase is OperationPhase.SUCCEEDED, "it has got there without, so slow was it"

    async def _is_followed(self, made: VMOperation, at: int) -> bool:
        lab = self.lab
        await lab.until_of(
            lab.operations, lambda: lab.op(made).phase.is_over or _is_copying(lab.op(made), "memory"), WITHIN
        )
        async with asyncio.timeout(WITHIN):
            while not lab.op(made).phase.is_over:
                if is_held_for_good(await lab.hosts[at].observe(self.uid)):
                    return True
        return False

    async def is_held(self, op: VMOperation) -> None:
        """What post-copy has broken off runs nowhere, and is told."""
        assert reason_of(op) == "PostCopyFailed", op.status.message
        assert await self.lab.running_on(self.name) == []
        await self.lab.until_phase(self.name, Phase.PAUSED, "MigrationFailed")

    async def starts_again(self) -> None:
        """As the words say, from its disks."""
        assert (await self.lab.operate(self.name, "restart", force=True)).phase is OperationPhase.SUCCEEDED
        assert await self.lab.running_on(self.name) == [self.node]

    async def ends(self, made: VMOperation) -> VMOperation:
        await self.lab.until_of(self.lab.operations, lambda: self.lab.op(made).phase.is_over, WITHIN)
        return self.lab.op(made)


def reason_of(op: VMOperation) -> str:
    """Why it has failed."""
    found = condition(op.status.conditions, "Succeeded")
    assert found is not None
    assert op.phase is OperationPhase.FAILED
    return found.reason or ""


def _is_copying(op: VMOperation, what: str = "disk") -> bool:
    there = (op.status.result or {}).get(f"{what}TotalBytes")
    return isinstance(there, int) and there > 0
