"""Templates: an image made of the disk of a VM that is off."""

from hypersdk.kube.cache import Cache
from hypersdk.model.base import JsonObject, Resource, condition
from hypersdk.model.kinds import VM_TEMPLATES
from tests.campaign.work import layers
from tests.campaign.work.trial import Look, Trial, step_of


class Templating(Trial):
    """One round makes a template and deletes it; a cancelled one is deleted while it is made."""

    title = "template of a VM"
    name, uid = "", ""

    @property
    def cache(self) -> Cache[Resource]:
        return self.shop.templates  # type: ignore[return-value]

    async def prepare(self) -> None:
        await super().prepare()
        await self.guest.power(on=False)
        await self.guest.write()

    async def ask(self) -> None:
        self.name = self.shop.name("made")
        spec: JsonObject = {"displayName": "Made", "image": {"source": f"vm://{self.guest.name}"}}
        self.uid = (await self.shop.make(VM_TEMPLATES, self.name, spec)).metadata.uid

    async def cancel(self) -> None:
        self.is_cancelled = True
        await self.shop.drop(VM_TEMPLATES, self.name)

    async def look(self) -> Look:
        template = await self.shop.fresh(VM_TEMPLATES, self.name)
        if template is None:
            assert self.is_cancelled
            return Look(True, "gone")
        found = condition(template.status.conditions, "Ready")
        is_done = bool(template.status.ready) and not self.is_cancelled
        return Look(is_done, step_of(found.reason if found is not None else None), is_done)

    def version(self) -> str:
        template = self.shop.the(self.shop.templates, self.name)
        return "" if template is None else template.metadata.resource_version or ""

    def seems_over(self) -> bool:
        template = self.shop.the(self.shop.templates, self.name)
        if template is None or self.is_cancelled:
            return template is None and self.is_cancelled
        return bool(template.status.ready)

    async def verify(self, look: Look) -> None:
        await self.guest.assert_untouched()
        await self.guest.assert_whole()
        folder = self.shop.node(self.guest.name)[0].state / "templates"
        if look.is_done:
            template = self.shop.the(self.shop.templates, self.name)
            assert template is not None
            image = folder / f"{template.metadata.uid}-template.qcow2"
            await layers.assert_well_formed(image)
            assert await layers.chain(image) == [image]
            await layers.assert_marked([image], self.guest.mark, layers.SPOTS[:1])
            await layers.assert_content(image, self.shop.image)
            await self.shop.gone(self.shop.templates, VM_TEMPLATES, self.name)
        left = [path.name for path in folder.iterdir() if self.uid in path.name]
        assert not left, f"{left} of a template that is gone"
