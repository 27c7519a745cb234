"""Runs the rounds: those on one node and those between two beside each other, with whatever they need around them."""

import asyncio
import random
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from os import environ
from pathlib import Path

from hyperctl.guest.image import build
from hyperctl.stack.virsh import destroy_everything
from hypersdk.settings import places
from tests.campaign.work.campaign import Lane, Tally, WorkCampaign
from tests.campaign.work.catalogue import BETWEEN, HERE
from tests.campaign.work.shop import Shop
from tests.campaign.work.stage import one_node, two_nodes
from tests.campaign.work.trial import Trial
from tests.controlplane.build import binaries
from tests.controlplane.embedded import EmbeddedServer
from tests.folders import open_folder
from tests.libvirt.conftest import served
from tests.s3 import server as s3

Kinds = list[type[Trial]]


async def tried(
    names: Iterable[str], kills: int, seed: int, tell: Callable[[str], None], notes: Path, within_s: float
) -> list[Tally]:
    """Have each of those operations interrupted so often, or as often as there is time for."""
    wanted, found = set(names), list[Tally]()
    here = [kind for name, kinds in HERE.items() if name in wanted for kind in kinds]
    between = [kind for name, kinds in BETWEEN.items() if name in wanted for kind in kinds]
    async with asyncio.TaskGroup() as group:
        for kinds, where in ((here, _here), (between, _between)):
            if kinds:
                group.create_task(where(kinds, _Campaigner(kills, seed, tell, notes, within_s, found)))
    return found


@dataclass(frozen=True)
class _Campaigner:
    """What both places do."""

    kills: int
    seed: int
    tell: Callable[[str], None]
    notes: Path
    within_s: float
    found: list[Tally]

    async def run(self, shop: Shop, kinds: Kinds) -> None:
        """On a place that is ready."""
        rng = random.Random(self.seed)
        lanes = [Lane(kind(shop, rng), Tally(kind.title)) for kind in kinds]
        await WorkCampaign(shop, lanes, self.kills, rng, self.tell, self.notes, self.within_s).run()
        self.found.extend(lane.tally for lane in lanes)


async def _here(kinds: Kinds, campaigner: _Campaigner) -> None:
    with ExitStack() as stack:
        folders = [stack.enter_context(open_folder()) for _ in range(3)]
        server = EmbeddedServer(folders[0], binaries(environ))
        stack.callback(server.stop)
        server.start()
        libvirtd, store = stack.enter_context(served()), stack.enter_context(s3.served(folders[1]))
        # Also where the campaign itself ends in the middle: guests outlive the libvirtd.
        stack.callback(destroy_everything, libvirtd.uri)
        linux = build(places(environ).cache, tell=campaigner.tell)
        async with one_node(server.api, libvirtd, folders[2], store, linux) as shop:
            await campaigner.run(shop, kinds)


async def _between(kinds: Kinds, campaigner: _Campaigner) -> None:
    with open_folder() as folder:
        async with two_nodes(binaries(environ), folder) as shop:
            await campaigner.run(shop, kinds)
