"""The campaign: ask, kill at a random moment of the work, start again, see that everything is as it should be."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.campaign.actions import AT_ONCE, Action, actions
from tests.campaign.foreign import Foreigners
from tests.campaign.machine import Expected, Machine
from tests.campaign.scene import Scene

LONGEST_DELAY_S = 0.4
WORKERS = 2
LONG = 20
"""A campaign of so many kills is a long one."""
SECOND_KILL = 0.15
"""How often a controller is killed again while it starts."""
LONGEST_START_S = 1.5
CHILDREN_WITHIN_S = 5.0
"""Its children die with the controller."""


@dataclass
class Tally:
    """What the campaign did."""

    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    """By stage."""
    checks: int = 0
    operations: int = 0
    seconds: float = 0.0
    slowest_s: float = 0.0
    """The longest round: from the request until all is as asked, death and restart in between."""


@dataclass
class Campaign:
    """Kills, with all its choices from one seed."""

    scene: Scene
    steady: Machine
    """To which nothing is ever done."""
    others: Foreigners
    kills: int
    seed: int
    tell: Callable[[str], None]
    workers: list[Machine] = field(default_factory=lambda: [Machine(f"worker-{n}") for n in range(WORKERS)])
    used: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.tally = Tally(self.seed)
        self.actions = actions(long=self.kills >= LONG)

    async def run(self) -> Tally:
        """All of it; AssertionError with the seed and the round when something does not hold."""
        began, asked = time.monotonic(), len(self.scene.asked)
        while self.tally.kills.total() < self.kills:
            await self._round()
        await self._end()
        self.tally.seconds, self.tally.operations = time.monotonic() - began, len(self.scene.asked) - asked
        return self.tally

    async def _round(self) -> None:
        began = time.monotonic()
        chosen = [(machine, self._choose(machine)) for machine in self.workers]
        victim, action = self.rng.choice(chosen)
        moment, delay = self.rng.choice(action.moments), self._delay()
        when = f"{delay * 1000:.0f} ms after {moment or 'the request'!r}"
        words = f"kill {self.tally.kills.total() + 1} in {action.name!r}, {when}"
        try:
            await self._ask(chosen, victim, moment)
            await asyncio.sleep(delay)  # a random moment is what this is about
            await self._kill(action.stage)
            await self._start()
            await self._see()
        except (AssertionError, TimeoutError) as error:
            todo = {machine.name: (machine, action.name) for machine, action in chosen}
            raise AssertionError(
                f"seed {self.seed}, {words}: {error}\n{todo}\n{self.scene.controller.tail()}"
            ) from error
        self.tally.slowest_s = max(self.tally.slowest_s, time.monotonic() - began)
        self.tell(f"{words}; {time.monotonic() - began:.1f} s")

    def _choose(self, machine: Machine) -> Action:
        """One of those that were used least."""
        possible = [action for action in self.actions if action.before is machine.state]
        least = min(self.used[action.name] for action in possible)
        action = self.rng.choice([action for action in possible if self.used[action.name] == least])
        self.used[action.name] += 1
        return action

    def _delay(self) -> float:
        """Often right after the moment, sometimes long after: what is done in milliseconds is hit as well."""
        return LONGEST_DELAY_S * float(10 ** self.rng.uniform(-3, 0))

    async def _ask(self, chosen: list[tuple[Machine, Action]], victim: Machine, moment: str) -> None:
        """Have everything done, until the moment; a moment that does not come is as good as any other."""
        heard: asyncio.Future[None] | None = None
        for machine, action in chosen:
            if machine is victim and moment != AT_ONCE:
                name = f"{machine.base}-{machine.generation + (action.before is Expected.ABSENT)}"
                whose = () if moment == "importing image" else (f"/{name} ",)
                heard = self.scene.controller.hears(moment, *whose)
            await action.do(self.scene, machine)
            machine.state = action.after
            machine.boots += action.boots
            machine.pid = machine.pid if action.same_run else 0
        if heard is not None:
            await self._heard_or_done(heard, victim)
        self.scene.controller.hush()

    async def _heard_or_done(self, heard: asyncio.Future[None], victim: Machine) -> None:
        done = asyncio.create_task(self.scene.reached(victim))
        await asyncio.wait([heard, done], return_when=asyncio.FIRST_COMPLETED)
        done.cancel()
        await asyncio.wait([done])

    async def _kill(self, stage: str) -> None:
        await self.scene.controller.kill()
        self.tally.kills[stage] += 1
        self._steady_lives()
        async with asyncio.timeout(CHILDREN_WITHIN_S):
            while self.scene.truth.processes("qemu-img"):
                await self.scene.host.observe(self.steady.uid)

    async def _start(self) -> None:
        if self.rng.random() < SECOND_KILL:
            await self.scene.controller.launch()
            await asyncio.sleep(self.rng.uniform(0, LONGEST_START_S))  # a random moment, again
            await self._kill("controller's start")
        await self.scene.controller.start()

    async def _see(self) -> None:
        for machine in self.workers:
            await self.scene.settled(machine)
            self.scene.check(machine)
            self.tally.checks += 1
        self.scene.check(self.steady)
        self.scene.check_operations()
        self._steady_lives()

    def _steady_lives(self) -> None:
        pid = self.scene.truth.pid(self.scene.domain(self.steady))
        assert pid == self.steady.pid, f"the VM that nobody touches has QEMU {pid}, it was {self.steady.pid}"
        self.others.assert_processes_untouched()

    async def _end(self) -> None:
        """Delete what was worked on."""
        for machine in self.workers:
            if machine.state is not Expected.ABSENT:
                await self.scene.delete(machine)
            machine.state = Expected.ABSENT
            await self.scene.settled(machine)
            self.scene.check(machine)
