"""A throw-away VM lives its life in a namespace of its own, while the node's controller is killed and started again."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from controller.hypervisor.libvirt_host import LibvirtHost
from hyperctl.agent.node import Node
from hyperctl.agent.report import Found, Report, fail, ok, skip
from hyperctl.agent.revival import Victim
from hyperctl.agent.sector import sector_disk
from hypersdk.errors import ApiError, HyperSDKError, NotFound, Transient
from hypersdk.kube.client import Client
from hypersdk.model.base import JsonObject, condition
from hypersdk.model.kinds import NAMESPACES, VIRTUAL_MACHINES
from hypersdk.model.virtualmachine import Phase, VirtualMachine
from hypersdk.verbs.operation import gone, operate, until
from hypersdk.verbs.verb import Outcome

NAME = "selftest"
EFFECT_WITHIN_S = 180.0
CLEAN_WITHIN_S = 60.0
LONGEST_DELAY_S = 0.4

Ask = Callable[[], Awaitable[Outcome]]


@dataclass
class Trial:
    """One VM, from its creation to its deletion."""

    node: Node
    client: Client
    host: LibvirtHost
    victim: Victim
    kills: int
    rng: random.Random
    report: Report
    namespace: str = ""
    """Somebody's own to use; else one is made and removed."""
    image: Path | None = None
    vm: VirtualMachine | None = None
    killed: int = 0

    async def run(self) -> None:
        """All of it; whatever happens, nothing of it stays."""
        async with self._namespace(), self._machine():
            steps: list[tuple[str, Ask, bool | None]] = [
                ("create and boot", self._boots, True),
                ("restart by force", lambda: self._operate("restart", {"force": True}), True),
                ("nothing asked", self._boots, None),
                ("stop by force", lambda: self._operate("stop", {"force": True}), False),
                ("start", lambda: self._operate("start"), True),
            ]
            for index, (name, ask, runs) in enumerate(steps):
                share = (self.kills * (index + 1)) // len(steps) - (self.kills * index) // len(steps)
                if not await self.report.run(name, partial(self._step, ask, runs, share)):
                    return
            await self.report.run("delete", self._deleted)
        await self.report.run("nothing left behind", self._left)

    async def _step(self, ask: Ask, runs: bool | None, kills: int) -> Found:
        """Ask, kill at random moments, start again; the effect must come, and QEMU be another one only if asked."""
        before = await self._pid()
        async with asyncio.timeout(EFFECT_WITHIN_S), asyncio.TaskGroup() as group:
            asked = group.create_task(_awaited(ask))
            for _ in range(kills):
                # A random moment of the work is what this is about.
                await asyncio.sleep(self.rng.uniform(0, LONGEST_DELAY_S))
                await self.victim.kill()
                self.killed += 1
                await self.victim.revive()
        outcome = asked.result()
        after = await self._pid()
        words = f"{outcome.message}; controller killed {kills} times" if kills else outcome.message
        if not outcome.ok:
            return fail(words)
        if runs is None and after != before:
            return fail(f"QEMU was {before} and is {after}, and nobody asked for that; {words}")
        if runs is not None and bool(after) is not runs:
            return fail(f"libvirt says that QEMU {'runs' if after else 'does not run'}; {words}")
        return ok(words)

    async def _boots(self) -> Outcome:
        vm = self._machine_made()

        def running(now: VirtualMachine | None) -> Outcome | None:
            if now is None:
                return Outcome(False, "the VM is gone")
            ready = condition(now.status.conditions, "Ready")
            if now.phase is Phase.FAILED:
                return Outcome(False, f"{ready.reason}: {ready.message}" if ready else "Failed")
            return Outcome(True, f"Running on {now.status.node_name}") if now.phase is Phase.RUNNING else None

        return await until(self.client, VIRTUAL_MACHINES, vm.key, running)

    async def _operate(self, operation: str, extra: JsonObject | None = None) -> Outcome:
        return await operate(self.client, self._machine_made(), operation, extra or {}, lambda *_: None)

    async def _deleted(self) -> Found:
        await self._delete()
        return ok(f"{NAME} is deleted, and its domain with it")

    async def _left(self) -> Found:
        domain = await self.host.observe(self._machine_made().metadata.uid)
        return fail(f"the domain {domain.name} is left") if domain else ok("no VM and no domain of ours")

    async def _pid(self) -> int:
        domain = await self.host.observe(self._machine_made().metadata.uid)
        return domain.pid if domain is not None and domain.is_active else 0

    def _machine_made(self) -> VirtualMachine:
        if self.vm is None:
            raise HyperSDKError("the VM was not made")
        return self.vm

    @asynccontextmanager
    async def _namespace(self) -> AsyncIterator[None]:
        if self.namespace:
            yield
            return
        self.namespace = f"hypersdk-selftest-{secrets.token_hex(4)}"
        await self.client.create(NAMESPACES, "", {"metadata": {"name": self.namespace}})
        try:
            yield
        finally:
            with suppress(NotFound):
                await self.client.delete(NAMESPACES, "", self.namespace)

    @asynccontextmanager
    async def _machine(self) -> AsyncIterator[None]:
        try:
            self.vm = await self.client.create(VIRTUAL_MACHINES, self.namespace, self._spec())
            yield
        finally:
            await self._cleaned()

    async def _cleaned(self) -> None:
        """Also after Ctrl-C in the middle of a kill: the controller runs again, the VM and its image are gone."""
        try:
            await self.victim.revive()
            if self.vm is not None:
                await self._delete()
        except (HyperSDKError, TimeoutError) as error:
            self.report.say("clean up", 0.0, fail(f"VM {self.namespace}/{NAME} is left: {error}"))
        finally:
            if self.image is not None:
                self.image.unlink(missing_ok=True)

    async def _delete(self) -> None:
        vm = self._machine_made()
        with suppress(NotFound):
            await self.client.delete(VIRTUAL_MACHINES, self.namespace, vm.metadata.name, uid=vm.metadata.uid)
        async with asyncio.timeout(CLEAN_WITHIN_S):
            await gone(self.client, vm, lambda *_: None)

    def _spec(self) -> JsonObject:
        """The VM: on this node alone, from an image that we make where there is a folder for it."""
        spec: JsonObject = {
            "cpus": 1,
            "memory": "32Mi",
            "guestAgent": {"enabled": False},
            "nodeSelector": {"kubernetes.io/hostname": self.node.name},
        }
        if (folder := self.node.image_folder) is None:
            spec["disks"] = [{"name": "root", "size": "1Gi"}]
        else:
            self.image = folder / f"selftest-{secrets.token_hex(4)}.img"
            self.image.write_bytes(sector_disk(1 << 20))
            spec["image"] = {"source": self.image.as_uri()}
        return {"metadata": {"name": NAME}, "spec": spec}


def without_kills() -> Found:
    """What is said where none of it was asked for."""
    return skip("--kill makes a throw-away VM and kills the controller while it lives")


async def _awaited(ask: Ask) -> Outcome:
    try:
        return await ask()
    except (Transient, ApiError) as error:
        return Outcome(False, str(error))
