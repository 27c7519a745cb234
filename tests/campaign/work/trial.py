"""One kind of operation, asked for again and again: what it begins from, how far it is, and what must come of it."""

import random
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from hypersdk.kube.cache import Cache
from hypersdk.model.base import JsonObject, Resource
from hypersdk.model.kinds import VM_OPERATIONS
from hypersdk.model.marks import CANCEL
from hypersdk.model.vmoperation import OperationPhase
from tests.campaign.work.guest import Guest
from tests.campaign.work.shop import Shop

NOT_TAKEN_UP = "not taken up yet"
_SINGLE = re.compile(r"\S*[/\d]\S*( [KMGT]?i?B)?|\bof\b(?= *$)")


@dataclass(frozen=True)
class Look:
    """How far it is."""

    is_over: bool
    step: str
    """What the API says that it is at, without what is different in each."""
    is_done: bool = False
    """It has had its effect."""
    words: str = ""


class Trial(ABC):
    """One operation. A round of it: prepare, ask, look (the controller dies), settle, verify."""

    title: ClassVar[str]
    can_be_cancelled: ClassVar[bool] = True

    def __init__(self, shop: Shop, rng: random.Random) -> None:
        self.shop, self.rng = shop, rng
        self.guest = self.new_guest()
        self.is_there = False
        self.is_cancelled = False

    def new_guest(self) -> Guest:
        """The guest that it is tried on."""
        return Guest(self.shop, self.shop.name(re.sub("[^a-z]+", "-", self.title)))

    @property
    @abstractmethod
    def cache(self) -> Cache[Resource]:
        """Of the objects that tell how far it is."""

    async def prepare(self) -> None:
        """Bring about what it begins from."""
        self.is_cancelled = False
        if not self.is_there:
            await self.guest.create()
            self.is_there = True
            await self.equip()

    async def equip(self) -> None:
        """What a new guest needs besides."""
        return

    async def renew(self) -> None:
        """Go on with another guest, whatever became of this one."""
        old, self.guest, self.is_there = self.guest, self.new_guest(), False
        await self.shop.vm_gone([old.name])

    async def leave(self) -> None:
        """Delete the guest."""
        if self.is_there:
            await self.shop.vm_gone([self.guest.name])

    @abstractmethod
    async def ask(self) -> None:
        """Ask for it."""

    async def cancel(self) -> None:
        """Ask for its end."""
        return

    @abstractmethod
    async def look(self) -> Look:
        """How far it is, past all caches."""

    @abstractmethod
    def version(self) -> str:
        """Of the object that tells how far it is; empty when there is none."""

    async def settle(self) -> Look:
        """Wait until it is over."""
        await self.shop.until(self.cache, self.seems_over)
        return await self.look()

    @abstractmethod
    def seems_over(self) -> bool:
        """Whether the cache says so."""

    @abstractmethod
    async def verify(self, look: Look) -> None:
        """What came of it is really there, or nothing of it; the guest was left alone where it should be."""


def step_of(words: str | None) -> str:
    """A status message without names and figures."""
    told = (words or NOT_TAKEN_UP).partition(":")[0]
    return " ".join(_SINGLE.sub("", told).replace(",", "").split()) or NOT_TAKEN_UP


class OperationTrial(Trial):
    """One that is a VMOperation."""

    operation: ClassVar[str]
    name: str = ""

    @abstractmethod
    def wanted(self) -> JsonObject:
        """Its spec besides the VM."""

    @property
    def cache(self) -> Cache[Resource]:
        return self.shop.bench.operations  # type: ignore[return-value]

    async def ask(self) -> None:
        self.name = self.shop.name(f"{self.guest.name}-{self.operation}")
        spec: JsonObject = {"vmRef": {"name": self.guest.name}, "operation": self.operation, **self.wanted()}
        await self.shop.make(VM_OPERATIONS, self.name, spec)

    async def cancel(self) -> None:
        self.is_cancelled = True
        await self.shop.note(VM_OPERATIONS, self.name, CANCEL)

    async def look(self) -> Look:
        op = await self.shop.fresh(VM_OPERATIONS, self.name)
        assert op is not None, f"the operation {self.name} is gone"
        is_done = op.phase is OperationPhase.SUCCEEDED
        assert is_done or not op.phase.is_over or self.is_cancelled, f"{self.name}: {op.status.wire()}"
        return Look(op.phase.is_over, step_of(op.status.message), is_done, op.status.message or "")

    def version(self) -> str:
        op = self.shop.the(self.shop.bench.operations, self.name)
        return "" if op is None else op.metadata.resource_version or ""

    def seems_over(self) -> bool:
        op = self.shop.the(self.shop.bench.operations, self.name)
        return op is not None and op.phase.is_over
