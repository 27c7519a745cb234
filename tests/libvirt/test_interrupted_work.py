"""Are operations finished or undone when the controller is killed in the middle? A small form of `make soak`."""

import os
import random
import secrets
from pathlib import Path

import pytest

from tests.campaign.work.backups import BackingUpChanges
from tests.campaign.work.campaign import Lane, Tally, WorkCampaign
from tests.campaign.work.snapshots import Merging
from tests.campaign.work.stage import one_node
from tests.controlplane.api import Api
from tests.libvirt.conftest import Libvirtd

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(600), pytest.mark.usefixtures("private_network")]
KINDS = (Merging, BackingUpChanges)
QUICK_S = 0.5
"""What each is thought to take: nobody has looked."""


async def test_killed_controller_finishes_what_it_was_at_or_undoes_it(
    embedded_api: Api, libvirtd: Libvirtd, guest_folder: Path, tmp_path: Path
) -> None:
    seed = int(os.environ.get("CAMPAIGN_SEED") or secrets.randbelow(10**6))
    rng = random.Random(seed)
    async with one_node(embedded_api, libvirtd, guest_folder) as shop:
        lanes = [Lane(kind(shop, rng), Tally(kind.title), QUICK_S) for kind in KINDS]
        await WorkCampaign(shop, lanes, 1, rng, print, tmp_path, is_long=False).run()
    assert [words for lane in lanes for words in lane.tally.wrong] == [], f"seed {seed}"
    assert all(lane.tally.kills for lane in lanes)
