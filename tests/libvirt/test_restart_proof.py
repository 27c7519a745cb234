"""Do guests, operations and the host survive everything around them? A small form of what `make soak` does."""

import os
import secrets
from pathlib import Path

import pytest

from tests.campaign.stage import staged
from tests.controlplane.api import Api, RealApi
from tests.libvirt.conftest import Libvirtd

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(600), pytest.mark.usefixtures("private_network")]
KILLS = 2
KILLS_ON_KUBERNETES = 1
API_GONE_S = 2.0


@pytest.fixture
def seed() -> int:
    """Of the random moments; the message of a failure has it, and CAMPAIGN_SEED repeats it."""
    return int(os.environ.get("CAMPAIGN_SEED") or secrets.randbelow(10**6))


async def test_killed_controller_and_every_outage_leave_guests_alone(
    embedded_api: Api, libvirtd: Libvirtd, guest_folder: Path, seed: int
) -> None:
    async with staged(embedded_api, libvirtd, guest_folder) as stage:
        tally = await stage.campaign(KILLS, seed, print)
        assert tally.kills.total() >= KILLS
        await stage.outages(API_GONE_S, print)


async def test_killed_controller_leaves_guests_alone_on_kubernetes(
    real_api: RealApi, libvirtd: Libvirtd, guest_folder: Path, seed: int
) -> None:
    async with staged(real_api, libvirtd, guest_folder) as stage:
        await stage.campaign(KILLS_ON_KUBERNETES, seed, print)
