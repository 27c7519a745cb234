"""Clones: whole or linked, of a source that runs or is off, or of a snapshot of it."""

from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import VIRTUAL_MACHINES, VM_OPERATIONS
from hypersdk.model.virtualmachine import Phase
from tests.campaign.work import layers
from tests.campaign.work.snapshots import OFF, assert_kept, take
from tests.campaign.work.trial import Look, OperationTrial

STARTED = 0.3
OLD = 12
"""Each linked clone leaves a layer below its source, which takes no more than 64."""


class Cloning(OperationTrial):
    """A whole copy."""

    title = "clone in full"
    operation = "clone"
    linked = False
    of_snapshot = False
    made = 0

    async def equip(self) -> None:
        self.made = 0
        if self.of_snapshot:
            self.kept_mark = await self.guest.write()
            self.snapshot = await take(self.guest)

    async def prepare(self) -> None:
        if self.linked and self.made >= OLD:
            await self.renew()
        await super().prepare()
        self.made += 1
        await self.guest.power(on=self.rng.random() >= OFF)
        await self.guest.write()

    def wanted(self) -> JsonObject:
        self.target, self.starts = self.shop.name(f"{self.guest.name}-heir"), self.rng.random() < STARTED
        spec: JsonObject = {"targetName": self.target, "linkedClone": self.linked, "startAfterClone": self.starts}
        if self.of_snapshot:
            spec["snapshotRef"] = {"name": self.snapshot.metadata.name}
        return {"cloneSpec": spec}

    async def verify(self, look: Look) -> None:
        vms, mark = self.shop.bench.vms, self.kept_mark if self.of_snapshot else self.guest.mark
        vm, op = await self.shop.fresh(VIRTUAL_MACHINES, self.target), await self.shop.fresh(VM_OPERATIONS, self.name)
        # One that is whole and let go stays, whatever comes after.
        is_whole = look.is_done or (op is not None and (op.status.result or {}).get("disksWhole") is True)
        if vm is not None:
            assert is_whole, f"{self.target} is there: {vm.wire()}"
            await self._assert_heir(mark)
        assert vm is not None or not look.is_done
        await self.guest.assert_untouched()
        await self.guest.assert_whole()
        if vm is not None:
            await self.shop.gone(vms, VIRTUAL_MACHINES, self.target)
        if self.of_snapshot:
            await assert_kept(self.snapshot, self.kept_mark)

    async def _assert_heir(self, mark: int) -> None:
        """It has what its source had, whatever the source does now."""
        vms, wanted = self.shop.bench.vms, Phase.RUNNING if self.starts else Phase.STOPPED
        await self.shop.until(vms, lambda: (vm := self.shop.the(vms, self.target)) is not None and vm.phase is wanted)
        await self.guest.assert_untouched()
        old = self.guest.mark
        new = await self.guest.write()
        assert new != old
        tips = await self.shop.node(self.target)[1].tips(self.shop.bench.vm(self.target).metadata.uid)
        await layers.assert_marked(tips, mark)
        await layers.assert_content(tips[0], self.shop.image)
        for tip in tips:
            if not self.starts:
                await layers.assert_well_formed(tip)
            if not self.linked:
                assert await layers.chain(tip) == [tip], "it does not stand alone"


class Linking(Cloning):
    """A layer over what the source had."""

    title = "linked clone"
    linked = True


class CloningSnapshot(Cloning):
    """A whole copy of a snapshot."""

    title = "clone of a snapshot"
    of_snapshot = True


class LinkingSnapshot(Cloning):
    """A layer over a snapshot."""

    title = "linked clone of a snapshot"
    linked = True
    of_snapshot = True
