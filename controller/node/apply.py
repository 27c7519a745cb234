"""Does the steps of a plan on the hypervisor, and tells of them in Events and in the log."""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import assert_never

from controller.domain.build import domain_xml
from controller.domain.desired import DesiredDomain
from controller.hypervisor.port import Hypervisor, Power
from controller.node.change import make, words
from controller.node.definitions import Definitions
from controller.node.intent import Run
from controller.node.live import LiveChange, field_of
from controller.node.machine_state import MachineStates
from controller.node.memory import Memory
from controller.node.places import NodePlaces
from controller.node.ports import ConsoleKeeper
from controller.node.steps import (
    AskShutdown,
    AttachConsole,
    ChangeLive,
    Define,
    Destroy,
    PowerStep,
    Resume,
    SetPower,
    Start,
    Step,
    Suspend,
    Undefine,
)
from hypersdk.errors import Terminal, Transient
from hypersdk.kube.events import EventType, Recorder
from hypersdk.model.virtualmachine import VirtualMachine

log = logging.getLogger(__name__)
DETACH_WITHIN_S = 10.0


class StartFailed(Exception):
    """A definition or start was refused; carries the hypervisor's error."""

    def __init__(self, error: Transient | Terminal, what: str) -> None:
        super().__init__(str(error))
        self.error = error
        self.what = what


@dataclass
class Subject:
    """The VM that steps are done to."""

    vm: VirtualMachine
    uid: str
    memory: Memory
    desired: DesiredDomain | None
    run: Run = field(default_factory=Run)
    """The life of QEMU that was seen last."""
    operation: str = ""
    """The operation that they are done for; only for the log."""

    @property
    def words(self) -> str:
        """How a log line names it."""
        namespace, name = self.vm.key
        return f"vm={namespace}/{name} uid={self.uid}" + (f" op={self.operation}" if self.operation else "")


@dataclass
class Applier:
    """The hand of the reconciler."""

    hypervisor: Hypervisor
    consoles: ConsoleKeeper
    recorder: Recorder
    places: NodePlaces
    definitions: Definitions
    now: Callable[[], datetime]
    chance: Callable[[], float] = random.random
    states: MachineStates | None = None
    """Who puts what is kept of a machine's firmware and TPM where its start finds it."""

    async def apply(self, steps: Sequence[Step], subject: Subject) -> None:
        """Do the steps in order; StartFailed when the domain cannot be made or started."""
        for step in steps:
            log.info("%s step=%s", subject.words, _words(step))
            if isinstance(step, ChangeLive):
                await self._change(step.change, subject)
            else:
                await self._do(step, subject)

    async def attach(self, subject: Subject) -> None:
        """Have the console read. A VM's life never depends on it."""
        try:
            await self.consoles.attach(subject.uid, str(self.places.console_log(subject.uid)))
        except (Transient, Terminal, OSError) as error:
            log.warning("%s the console is not read: %s", subject.words, error)

    async def detach(self, subject: Subject) -> None:
        """Have the console forgotten; one that cannot end does not hold the VM's end up."""
        try:
            async with asyncio.timeout(DETACH_WITHIN_S):
                await self.consoles.detach(subject.uid)
        except TimeoutError:
            log.warning("%s the console does not end", subject.words)

    async def tell(self, subject: Subject, kind: EventType, reason: str, message: str) -> None:
        """Record an Event."""
        log.info("%s event=%s %s", subject.words, reason, message)
        await self.recorder.record(subject.vm, kind, reason, message)

    async def _do(self, step: PowerStep, subject: Subject) -> None:
        uid = subject.uid
        match step:
            case Define():
                await self._define(step, subject)
            case SetPower():
                await self.hypervisor.set_power(uid, step.power)
                await self._powered(step.power, subject)
            case Start():
                await self._start(subject)
            case AttachConsole():
                await self.attach(subject)
            case Resume():
                await self.hypervisor.resume(uid)
                subject.memory.failure = None
                told = ("Resumed", "runs on") if step.again else ("Started", f"runs on {self.recorder.host}")
                await self.tell(subject, "Normal", told[0], f"the guest {told[1]}")
            case Suspend():
                await self.hypervisor.suspend(uid)
            case AskShutdown():
                await self._ask(step, subject)
            case Destroy():
                await self.hypervisor.destroy(uid)
                kind: EventType = "Warning" if subject.memory.asks else "Normal"
                await self.tell(subject, kind, "PowerCut", f"the power was cut: {step.why}")
            case Undefine():
                await self.hypervisor.undefine(uid)
            case _:
                assert_never(step)

    async def _define(self, step: Define, subject: Subject) -> None:
        try:
            await self.hypervisor.define(domain_xml(step.desired, step.power))
        except (Transient, Terminal) as error:
            raise StartFailed(error, "the domain cannot be defined") from error
        subject.memory.failure = None
        name = step.desired.domain_name
        told = ("Updated", f"domain {name} is defined anew") if step.again else ("Created", f"domain {name} is defined")
        await self.tell(subject, "Normal", *told)

    async def _start(self, subject: Subject) -> None:
        if subject.desired is not None:
            await asyncio.to_thread(self.definitions.keep, subject.desired)
        try:
            if self.states is not None:
                await self.states.place(subject.uid)
            await self.hypervisor.start(subject.uid)
        except (Transient, Terminal) as error:
            raise StartFailed(error, "the VM cannot be started") from error

    async def _change(self, change: LiveChange, subject: Subject) -> None:
        try:
            await make(change, subject.uid, self.hypervisor)
        except Terminal as error:
            # The others are made all the same; this one waits for the next start, or for another try.
            if subject.memory.refusals.add(subject.run, change, str(error), self.now(), self.chance()):
                told = f"{field_of(change)} cannot be changed while the guest runs: {error}"
                await self.tell(subject, "Warning", "ChangeRefused", told)
            return
        await self.tell(subject, "Normal", "ChangedLive", f"{field_of(change)}: {words(change)}")

    async def _ask(self, step: AskShutdown, subject: Subject) -> None:
        if subject.memory.asks == 0:
            await self.tell(subject, "Normal", "Stopping", f"the guest is asked to power off ({step.mode})")
        # Counted first: a request that fails is not repeated at once, and the next one goes another way.
        subject.memory.asked(self.now())
        try:
            await self.hypervisor.shutdown(subject.uid, step.mode)
        except (Transient, Terminal) as error:
            log.warning("%s the guest could not be asked to power off by %s: %s", subject.words, step.mode, error)

    async def _powered(self, power: Power, subject: Subject) -> None:
        if power is Power.GUEST_OFF:
            words = "the guest powered itself off; it stays off until it is started"
            await self.tell(subject, "Normal", "GuestShutdown", words)


def _words(step: Step) -> str:
    match step:
        case SetPower():
            return f"SetPower({step.power})"
        case AskShutdown():
            return f"AskShutdown({step.mode})"
        case Destroy():
            return f"Destroy({step.why})"
        case ChangeLive():
            return type(step.change).__name__
    return type(step).__name__
