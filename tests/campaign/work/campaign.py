"""Rounds: many operations are asked for, the controller dies at a random point of them, all must come out right."""

import asyncio
import contextlib
import math
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import libvirt

from hypersdk.errors import HyperSDKError
from tests.campaign.work.shop import Shop
from tests.campaign.work.strays import strays
from tests.campaign.work.trial import Trial
from tests.controlplane.caches import until
from tests.libvirt.controllers import ControllerProcess

LONGEST_DELAY_S = 0.4
LONGEST_S = 5.0
"""What an operation is thought to take at most when moments are chosen."""
AGAIN = 0.85
"""How often the controller is killed again while it goes on with what it finds."""
LEAST = 0.7
"""How often the moment is one of the operation that was hit least."""
CANCELLED = 0.2
"""How many are cancelled besides, at a random point too."""
WRONG = (AssertionError, TimeoutError, HyperSDKError, OSError, LookupError, libvirt.libvirtError)


@dataclass
class Tally:
    """What was done to one kind of operation, and what came of it."""

    title: str
    kills: int = 0
    again: int = 0
    """Those of them that hit a controller which went on with it after an earlier one."""
    finished: int = 0
    undone: int = 0
    steps: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


@dataclass
class Lane:
    """A trial in the rounds."""

    trial: Trial
    tally: Tally
    usual_s: float = 1.0
    versions: set[str] = field(default_factory=set)
    """Of the object that tells how far it is, as they were seen in this round."""
    most_changes: int = 4
    is_asked: asyncio.Event = field(default_factory=asyncio.Event)
    is_hit: bool = False

    def see(self) -> None:
        """Note its version."""
        if version := self.trial.version():
            self.versions.add(version)

    def has_changed(self, times: int) -> bool:
        """Whether that many changes of it were seen, or all that come."""
        self.see()
        return len(self.versions) > times or self.trial.seems_over()


@dataclass
class WorkCampaign:
    """All its choices come from one seed."""

    shop: Shop
    lanes: Sequence[Lane]
    kills: int
    rng: random.Random
    tell: Callable[[str], None]
    notes: Path
    """Where what was wrong is written down, with the controllers' logs."""
    within_s: float = math.inf
    """No round begins later."""
    is_long: bool = True
    """Whether it is seen first how long each takes where nothing dies."""
    known: set[str] = field(default_factory=set)
    """Strays that were told of already."""

    async def run(self) -> None:
        """Until each has been hit so often; what is wrong stands in the tallies."""
        end = time.monotonic() + self.within_s
        if self.is_long:
            await self._undisturbed()
        while (lanes := [lane for lane in self.lanes if lane.tally.kills < self.kills]) and time.monotonic() < end:
            await self._round(lanes)
        for lane in self.lanes:
            await self._guarded(lane, "in the end", lane.trial.leave())
        await self._see_strays("in the end")

    async def _undisturbed(self) -> None:
        """Once without a kill, to see how long each takes and how often it is written."""
        lanes = await self._prepared(self.lanes)
        for lane in lanes:
            lane.trial.is_cancelled = False

        async def one(lane: Lane) -> None:
            began = time.monotonic()
            stop = lane.trial.cache.subscribe(lambda _: lane.see())
            await lane.trial.ask()
            look = await lane.trial.settle()
            stop()
            lane.usual_s = min(time.monotonic() - began, LONGEST_S)
            lane.most_changes = len(lane.versions)
            await lane.trial.verify(look)
            self.tell(f"{lane.trial.title}: {lane.usual_s:.1f} s, {lane.most_changes} changes")

        await asyncio.gather(*(self._guarded(lane, "undisturbed", one(lane)) for lane in lanes))
        await self._see_strays("undisturbed")

    async def _prepared(self, lanes: Sequence[Lane]) -> list[Lane]:
        for lane in lanes:
            lane.is_hit = False
            lane.versions.clear()
            lane.is_asked.clear()
        fine = await asyncio.gather(*(self._guarded(lane, "before", lane.trial.prepare()) for lane in lanes))
        return [lane for lane, is_fine in zip(lanes, fine, strict=True) if is_fine]

    async def _round(self, lanes: list[Lane]) -> None:
        times = [time.monotonic()]
        if not (lanes := await self._prepared(lanes)):
            return
        victim = self._chosen(lanes)
        changes = self.rng.randint(0, victim.most_changes)
        delay = self._delay()
        moment = f"{delay * 1000:.0f} ms after change {changes} of {victim.trial.title}"
        times.append(time.monotonic())
        async with asyncio.TaskGroup() as group:
            for lane in lanes:
                group.create_task(self._ask(lane, moment, is_victim=lane is victim))
            with contextlib.suppress(AssertionError):  # a moment that does not come is as good as any other
                await victim.is_asked.wait()
                await until(victim.trial.cache, lambda: victim.has_changed(changes), victim.usual_s + 1)
            await asyncio.sleep(delay)  # a random moment is what this is about
            await self._kills(lanes)
        times.append(time.monotonic())
        await asyncio.gather(*(self._guarded(lane, moment, self._end(lane)) for lane in lanes))
        times.append(time.monotonic())
        await self._see_strays(moment)
        took = " + ".join(f"{after - before:.1f}" for before, after in pairwise(times))
        hit = ", ".join(f"{lane.trial.title} {lane.tally.kills}" for lane in lanes if lane.is_hit)
        self.tell(f"killed {moment}; {took} s; hit {hit or 'nothing'}")

    async def _ask(self, lane: Lane, moment: str, *, is_victim: bool) -> None:
        """At a random time, the victim last; some are cancelled after another one."""
        lead, wait = max(lane.usual_s for lane in self.lanes) / 2, self.rng.uniform(0, 1) * lane.usual_s
        may_cancel = lane.trial.can_be_cancelled and self.rng.random() < CANCELLED
        until_cancel = self.rng.uniform(0, 1) * lane.usual_s

        async def ask() -> None:
            await asyncio.sleep(lead if is_victim else max(0.0, lead - wait))  # as above
            await lane.trial.ask()
            lane.is_asked.set()
            if may_cancel:
                await asyncio.sleep(until_cancel)  # as above
                await lane.trial.cancel()

        if not await self._guarded(lane, moment, ask()):
            lane.is_asked.set()

    async def _kills(self, lanes: list[Lane]) -> None:
        """Once, and again as chance will while something is left to be done."""
        controllers = [controller for controller, _ in self.shop.nodes.values()]
        victim = self.rng.choice(controllers)
        await self._kill(victim, [lane for lane in lanes if lane.is_asked.is_set()])
        while self.rng.random() < AGAIN and any(lane.is_hit for lane in lanes):
            await victim.start()
            await self._gone_on(self._chosen([lane for lane in lanes if lane.is_hit]))
            await self._kill(victim := self.rng.choice(controllers), [lane for lane in lanes if lane.is_hit])
        await victim.start()

    async def _gone_on(self, lane: Lane) -> None:
        """Wait for a random point of what the new controller does."""
        lane.versions.clear()
        changes = self.rng.randint(0, lane.most_changes // 2)
        with contextlib.suppress(AssertionError):
            await until(lane.trial.cache, lambda: lane.has_changed(changes), lane.usual_s + 1)
        await asyncio.sleep(self._delay())  # as above

    def _chosen(self, lanes: list[Lane]) -> Lane:
        """Mostly the one that was hit least: what is over soon is hit seldom by chance."""
        least = min(lanes, key=lambda lane: lane.tally.kills)
        return least if self.rng.random() < LEAST else self.rng.choice(lanes)

    def _delay(self) -> float:
        """Often right after the moment, sometimes long after: what is done in milliseconds is hit as well."""
        return LONGEST_DELAY_S * float(10 ** self.rng.uniform(-3, 0))

    async def _kill(self, victim: ControllerProcess, lanes: list[Lane]) -> None:
        """What was not over by then is hit, at what the API says that it is at."""
        await victim.kill()
        for lane in lanes:
            with contextlib.suppress(*WRONG):  # what is wrong with it is told when it is over
                look = await lane.trial.look()
                if not look.is_over:
                    lane.tally.kills += 1
                    lane.tally.again += lane.is_hit
                    lane.tally.steps[look.step] += 1
                    lane.is_hit = True

    async def _end(self, lane: Lane) -> None:
        look = await lane.trial.settle()
        await lane.trial.verify(look)
        if lane.is_hit:
            lane.tally.finished += look.is_done
            lane.tally.undone += not look.is_done

    async def _see_strays(self, moment: str) -> None:
        """No file, process or socket that no object accounts for."""
        try:
            found = await strays(self.shop) - self.known
        except WRONG as error:
            found = {f"they cannot be told: {error!r}"}
        self.known |= found
        for one in sorted(found):
            await self._write_down(self.lanes[0].tally, f"{moment}: left behind: {one}")

    async def _guarded(self, lane: Lane, moment: str, work: Awaitable[None]) -> bool:
        """False for what was wrong, which is written down; the trial goes on with a new guest."""
        try:
            await work
        except WRONG as error:
            await self._write_down(lane.tally, f"{lane.trial.title}, {moment}: {error!r}")
        else:
            return True
        try:
            await lane.trial.renew()
        except WRONG as error:
            await self._write_down(lane.tally, f"{lane.trial.title} cannot be left: {error!r}")
        return False

    async def _write_down(self, tally: Tally, words: str) -> None:
        tally.wrong.append(words)
        self.tell(f"WRONG: {words[:400]}")
        logs = [(controller.node, controller.log) for controller, _ in self.shop.nodes.values()]
        told = [f"{node}:\n{(await asyncio.to_thread(log.read_text, errors='replace'))[-40000:]}" for node, log in logs]
        path = self.notes / f"wrong-{time.time():.2f}.txt"
        await asyncio.to_thread(path.write_text, "\n\n".join([words, *told]))
