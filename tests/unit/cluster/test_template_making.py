"""Is nothing left of a template's image that was not made to its end?"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from controller.cluster.templates.making import Making, Origin
from controller.hypervisor.fake import FakeHypervisor
from controller.node.places import NodePlaces
from hypersdk.model.vmtemplate import VMTemplate
from tests.unit.node.builders import UID, machine

TEMPLATE = VMTemplate.model_validate(
    {
        "metadata": {"name": "own", "namespace": "default", "uid": "1c10e000-0000-4000-8000-000000000001"},
        "spec": {"displayName": "Own", "image": {"source": "vm://web"}},
    }
)


async def test_half_an_image_of_a_controller_that_died_goes_with_its_template(tmp_path: Path) -> None:
    places = NodePlaces(tmp_path)
    places.make()
    await asyncio.to_thread(places.disk(UID, "standard", "root.qcow2").touch)
    begun = asyncio.Event()

    async def endless(source: Path, target: Path, tell: Callable[[float], None]) -> None:
        await asyncio.to_thread(target.touch)
        begun.set()
        await asyncio.get_running_loop().create_future()

    def wake() -> None:
        """Nobody looks again."""

    async with Making(places, FakeHypervisor(lambda: 0.0), endless).errands as died:
        making = Making(places, FakeHypervisor(lambda: 0.0), endless, errands=died)
        await making.make(TEMPLATE, Origin(machine()), wake)
        await begun.wait()
        assert list(places.templates.iterdir())
    await Making(places, FakeHypervisor(lambda: 0.0)).remove(TEMPLATE)
    assert not list(places.templates.iterdir())
