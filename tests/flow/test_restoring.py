"""Is a VM let go that a restore had taken, whatever is known of the restore when it ends?"""

import asyncio
from dataclasses import fields
from pathlib import Path
from typing import Any

from controller.node.backups.restoring import Restorer
from controller.node.backups.target import IN_PLACE, RESTORED_BY
from controller.node.objects import Objects
from controller.node.places import NodePlaces
from hypersdk.kube.cache import Cache
from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import VIRTUAL_MACHINES
from hypersdk.model.marks import FILLING
from hypersdk.model.restorejob import RestoreJob
from tests.flow.world import World, play

JOB = RestoreJob.model_validate(
    {
        "metadata": {"name": "back", "namespace": "default", "uid": "1c10e000-0000-4000-8000-000000000001"},
        "spec": {
            "source": {"type": "backup-ref", "backupJobRef": {"name": "nightly"}},
            "destination": {"provider": "libvirt"},
            "options": {"overwrite": True},
        },
    }
)


def test_machine_whose_name_only_the_manifest_had_is_let_go(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        places = NodePlaces(tmp_path)
        places.make()
        notes: JsonObject = {FILLING: JOB.metadata.uid, RESTORED_BY: f"{JOB.metadata.uid}{IN_PLACE}"}
        body: JsonObject = {"metadata": {"name": "web", "annotations": notes}, "spec": {"cpus": 1, "memory": "1Gi"}}
        vm = await world.client.create(VIRTUAL_MACHINES, "default", body)
        half = places.root("standard") / f".{vm.metadata.uid}-root.qcow2.tmp"
        await asyncio.to_thread(half.touch)
        parts: dict[str, Any] = dict.fromkeys(field.name for field in fields(Restorer))
        vms = Objects(world.client, VIRTUAL_MACHINES, Cache())
        await Restorer(**parts | {"places": places, "vms": vms}).undo(JOB)
        vm = await world.client.get(VIRTUAL_MACHINES, "default", "web")
        assert FILLING not in (vm.metadata.annotations or {})
        assert not await asyncio.to_thread(half.exists)

    play(tmp_path, scenario)
