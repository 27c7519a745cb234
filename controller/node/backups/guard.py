"""Operations on a VM wait while its disks are read: QEMU does one such job of a VM at a time, a backup or another."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from controller.node.operations.work import Ended, Going, Job, Work
from hypersdk.errors import Transient
from hypersdk.kube.cache import Key


@dataclass(frozen=True)
class AfterBackups:
    """An operation as it is, which does not begin before the backup under way has ended."""

    work: Work
    backup_of: Callable[[Key], Awaitable[str]]
    """The name of the backup of a VM that is under way; empty for none."""

    @property
    def lets_plan(self) -> bool:
        """As the operation has it."""
        return self.work.lets_plan

    async def step(self, job: Job) -> Going | Ended:
        """Its next step. One that has begun goes on: the backup has waited for it."""
        if not job.notes and (name := await self.backup_of(job.vm.key)):
            raise Transient(f"waits for the backup {name}")
        return await self.work.step(job)

    async def undo(self, job: Job) -> Going | None:
        """As the operation does."""
        return await self.work.undo(job)
