"""Has work done: writes down that it begins, makes its steps, and undoes it when it is to end without its effect."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from controller.node.operations.conduct import Conductor
from controller.node.operations.ending import ENDING, due, ended, note, noted
from controller.node.operations.outcome import failed, running, succeeded
from controller.node.operations.turn import of_machine, overtakes
from controller.node.operations.work import PLANS, Ended, Going, Job, Opening, Work, Works
from hypersdk.errors import Terminal, Transient
from hypersdk.model.base import JsonObject
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmoperation import OperationPhase, VMOperation, VMOperationStatus

RETRY_S = 3.0
TELL_EVERY = timedelta(seconds=1)
"""How often it is written how far one is: each writing is seen as a change, and looked after."""


Waits = Callable[[VMOperation], Awaitable[str]]
"""What an operation has to wait for before it begins, in words; empty for nothing."""


@dataclass(frozen=True)
class Stepped:
    """What came of one step."""

    op: VMOperation
    again_in_s: float = 0.0
    """The next step is due then at the latest."""
    domain_stays: bool = False
    """What was observed before the step still holds."""


@dataclass
class Labour:
    """The work of this node."""

    conductor: Conductor
    now: Callable[[], datetime]
    works: Works = field(default_factory=dict)
    waits: Sequence[Waits] = ()
    told: dict[str, datetime] = field(default_factory=dict)
    """When it was last written how far each of them is, by its uid."""

    async def held_up(self, op: VMOperation, vm: VirtualMachine) -> str:
        """What it waits for; one that has begun waits for nothing, for whatever comes after it waits for it."""
        if op.phase is OperationPhase.RUNNING or any(overtakes(other) for other in self._others(op, vm)):
            return ""
        reasons = [await waits(op) for waits in self.waits]
        return next(filter(None, reasons), "")

    def lets_plan(self, op: VMOperation) -> bool:
        """Whether the VM is brought to its spec while this goes on."""
        work = self.works.get(op.spec.operation)
        lets = work is not None and (work.lets_plan or bool((op.status.result or {}).get(PLANS)))
        return noted(op) is None and lets

    def opening(self, job: Job) -> JsonObject:
        """What is to be written down with its beginning; nothing for one that has begun."""
        if job.op.phase is OperationPhase.RUNNING:
            return {}
        # That it begins is told next: words alone come TELL_EVERY after that.
        self.told[job.uid] = self.now()
        work: object = self.works.get(job.op.spec.operation)
        return work.opening(job) if isinstance(work, Opening) else {}

    async def meanwhile(self, job: Job) -> None:
        """What goes on while that is written."""
        work: object = self.works.get(job.op.spec.operation)
        if isinstance(work, Opening) and job.op.phase is not OperationPhase.RUNNING:
            with suppress(Transient, Terminal):
                await work.meanwhile(job)

    async def go_on(self, job: Job) -> Stepped:
        """One step, written down."""
        work = self.works.get(job.op.spec.operation)
        if work is None:
            refused = failed(job.op, "NotSupported", f"{job.op.spec.operation} is not supported yet")
            return Stepped(await self.conductor.write(job.op, refused))
        if noted(job.op) is None and (end := due(job.op, job.vm, self._others(job.op, job.vm), self.now())) is not None:
            job = await self._to_end(job, *end)
        try:
            if (end := noted(job.op)) is not None:
                return await self._undo(work, job, *end)
            return await self._step(work, job)
        except Transient as error:
            # Not an end, unless its time is up: whoever looks sees what it waits for.
            op = await self.conductor.write(job.op, running(job.op, job.op.status.progress or 0, str(error)))
            return Stepped(op, RETRY_S)

    async def _step(self, work: Work, job: Job) -> Stepped:
        try:
            done = await work.step(job)
        except Terminal as error:
            job = await self._to_end(job, error.reason or "Failed", str(error))
            return Stepped(job.op)
        if isinstance(done, Going):
            return await self._going(job.op, done)
        return await self._done(job, done)

    async def _undo(self, work: Work, job: Job, reason: str, message: str) -> Stepped:
        left = await work.undo(job)
        if isinstance(left, Ended):
            return await self._done(job, left)
        if left is not None:
            return await self._going(job.op, left)
        return await self._over(job.op, ended(job.op, reason, message))

    async def _to_end(self, job: Job, reason: str, message: str) -> Job:
        notes: JsonObject = {ENDING: note(reason, message)}
        stepped = await self._going(job.op, Going(job.op.status.progress or 0, f"undoing: {message}", notes))
        return replace(job, op=stepped.op)

    async def _going(self, op: VMOperation, going: Going) -> Stepped:
        notes, figures = op.status.result or {}, going.figures
        status = running(op, going.percent, going.words).but(result=_merged(notes, going.notes | figures))
        told = self.told.get(op.metadata.uid)
        is_noted = notes == _merged(notes, going.notes)
        if told is not None and is_noted and status != op.status and self.now() < told + TELL_EVERY:
            wait_s = min(going.again_in_s, (told + TELL_EVERY - self.now()).total_seconds())
            return Stepped(op, wait_s, going.domain_stays)
        self.told[op.metadata.uid] = self.now()
        return Stepped(await self.conductor.write(op, status), going.again_in_s, going.domain_stays)

    async def _done(self, job: Job, done: Ended) -> Stepped:
        result = _merged(job.notes, {ENDING: None} | done.result)
        return await self._over(job.op, succeeded(job.op.but(status=job.op.status.but(result=result)), done.words))

    async def _over(self, op: VMOperation, status: VMOperationStatus) -> Stepped:
        self.told.pop(op.metadata.uid, None)
        return Stepped(await self.conductor.write(op, status))

    def _others(self, op: VMOperation, vm: VirtualMachine) -> Iterable[VMOperation]:
        operations = self.conductor.operations
        return of_machine((operations.newest(one) for one in operations.cache if one.key != op.key), vm)


def _merged(old: JsonObject, new: JsonObject) -> JsonObject:
    return {key: value for key, value in (old | new).items() if value is not None}
