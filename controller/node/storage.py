"""Everything on the host's disks that a VM needs before it can start: images, disks, seed."""

import asyncio
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from controller.hypervisor.port import Hardware
from controller.node.disks import grow_disks, make_disks, missing, sweep_discs
from controller.node.finding import NotYet
from controller.node.images.catalogue import read_catalogue
from controller.node.images.collect import Collector
from controller.node.images.library import StoredImage
from controller.node.images.s3 import Keys, keys_of_secret, read_keys
from controller.node.images.source import Source, resolve
from controller.node.images.store import Images
from controller.node.keeping import keep_disks
from controller.node.layout import NOTHING, Origin, PlannedDisk, planned_disks
from controller.node.places import NodePlaces, checked_uid, make_folder
from controller.node.pools import NodePools
from controller.node.qemu_img import virtual_size
from controller.node.refused import words_of
from controller.node.room import NO_ROOM
from controller.node.seed import seed_files, write_seed
from controller.node.sharing import remove_unshared, sweep_released
from controller.node.taken import MADE_HERE
from controller.settings import Settings
from hypersdk.errors import ConfigError, NotFound, Terminal, Transient
from hypersdk.kube.client import Client
from hypersdk.model.core import Secret
from hypersdk.model.kinds import SECRETS, VM_TEMPLATES
from hypersdk.model.quantity import human_bytes
from hypersdk.model.virtualmachine import Checksum, ImageProgress, VirtualMachine
from hypersdk.model.vmtemplate import TemplateImage

log = logging.getLogger(__name__)
_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


class Storage(Protocol):
    """The files of VMs. NotYet and Terminal carry the reason for the DiskReady condition."""

    async def prepare(
        self, vm: VirtualMachine, wake: Callable[[], None], there: Hardware = NOTHING
    ) -> ImageProgress | None:
        """Make what is missing; how far the import is while one goes on (`wake` is called), None when all is there.

        `there` is the domain as it is, which knows the layers over its disks.
        """
        ...

    def retry(self, uid: str) -> None:
        """Somebody asks anew: what failed for good deserves another try."""
        ...

    async def keep(self, vm: VirtualMachine, written: Mapping[str, str]) -> list[Path]:
        """Put the VM's disks, as they were written last, where they outlive it; all that were put there."""
        ...

    async def remove(self, uid: str) -> None:
        """Remove everything that carries this uid."""
        ...


@dataclass
class NodeStorage:
    """The node's own storage behind that."""

    places: NodePlaces
    images: Images
    pools: NodePools
    client: Client
    settings: Settings

    async def run(self) -> None:
        """Find the pools and keep them fresh; remove images that nothing needs."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.pools.keep_fresh())
            group.create_task(self._collect_now_and_then())

    async def prepare(
        self, vm: VirtualMachine, wake: Callable[[], None], there: Hardware = NOTHING
    ) -> ImageProgress | None:
        """Images, then disks, then seed and the folder of the console's log; the VM is off."""
        try:
            return await self._prepare(vm, wake, there)
        except NotYet as error:
            if error.reason != NO_ROOM or not await self._collect(0.0):
                raise
            self.images.retry(vm.metadata.uid)
            return await self._prepare(vm, wake, there)

    def retry(self, uid: str) -> None:
        """Forget the failed import."""
        self.images.retry(uid)

    async def keep(self, vm: VirtualMachine, written: Mapping[str, str]) -> list[Path]:
        """Put the VM's disks where they outlive it."""
        return await asyncio.to_thread(keep_disks, self.places, vm, written)

    async def remove(self, uid: str) -> None:
        """Remove everything that carries this uid, and give up an import that nobody else waits for."""
        await self.images.forget(uid)
        await asyncio.to_thread(remove_unshared, self.places, uid)
        await asyncio.to_thread(sweep_released, self.places)
        self.pools.changed()

    async def check_image(
        self, image: TemplateImage, namespace: str, who: str, wake: Callable[[], None]
    ) -> StoredImage | ImageProgress:
        """Import a template's image, for then it is known to be right; how far that is while it goes on."""
        source = await self._resolved(image.source, image.checksum, await self.keys(image, namespace))
        self.images.wait_only(who, [source])
        return await self.images.ensure(source, who, wake)

    async def reach_image(self, image: TemplateImage, namespace: str) -> None:
        """NotYet or Terminal when a template's image cannot be had now."""
        keys = await self.keys(image, namespace)
        await self.images.reach(await self._resolved(image.source, image.checksum, keys))

    async def keys(self, image: TemplateImage, namespace: str) -> Keys | None:
        """The account that a template names for its image; None without."""
        name = image.secret_ref.name if image.secret_ref is not None else None
        return keys_of_secret(await self._secret(namespace, name, "image.secretRef")) if name else None

    async def forget_image(self, who: str) -> None:
        """Nobody waits for a template's image any more, nor holds it."""
        await self.images.forget(who)

    async def _prepare(self, vm: VirtualMachine, wake: Callable[[], None], there: Hardware) -> ImageProgress | None:
        for disk in vm.spec.disks or []:
            if disk.storage_class in self.places.pools and disk.storage_class not in self.places.found:
                await self._ready(disk.storage_class)
        planned = planned_disks(vm, self.places, there)
        uid = vm.metadata.uid
        images = await self._images(vm, missing(planned), wake)
        if isinstance(images, ImageProgress):
            return images
        await self._make(vm, planned, images)
        self.images.release(uid)
        return None

    async def _collect_now_and_then(self) -> None:
        # Before every pool is known, nobody knows what the disks in it stand on.
        await self.pools.find()
        while True:
            await self._collect(self.settings.pace.image_grace)
            await asyncio.sleep(self.settings.pace.collect)

    async def _collect(self, grace_s: float) -> list[Path]:
        """Remove images that nothing needs; what was removed."""
        try:
            await asyncio.to_thread(sweep_released, self.places)
            collector = Collector(self.places.roots(), grace_s, definitions=self.places.definitions)
            return await self.images.collect(collector)
        except (OSError, Transient) as error:
            log.warning("unused images are kept, for not every disk can be seen: %s", error)
            return []

    async def _images(
        self, vm: VirtualMachine, disks: list[PlannedDisk], wake: Callable[[], None]
    ) -> Mapping[Origin, StoredImage] | ImageProgress:
        origins = list(dict.fromkeys(disk.origin for disk in disks if disk.origin is not None))
        made = {origin: await self._made_here(vm, origin) for origin in origins if origin.word.startswith(MADE_HERE)}
        sources = await self._sources(vm, [origin for origin in origins if origin not in made])
        self.images.wait_only(vm.metadata.uid, sources.values())
        got = {origin: await self.images.ensure(source, vm.metadata.uid, wake) for origin, source in sources.items()}
        if coming := [each for each in got.values() if isinstance(each, ImageProgress)]:
            return together(coming)
        return made | {origin: each for origin, each in got.items() if isinstance(each, StoredImage)}

    async def _made_here(self, vm: VirtualMachine, origin: Origin) -> StoredImage:
        """The image of a template that has one of its own; only for who may see the template."""
        ref = vm.spec.image.template_ref if vm.spec.image else None
        name, uid = (ref.name if ref else None) or "", checked_uid(origin.word.removeprefix(MADE_HERE))
        if not _SUBDOMAIN.fullmatch(name):
            words = f"image {origin.word} is had by image.templateRef with its template's name alone, not {name!r}"
            raise Terminal("ImageNotAllowed", words)
        try:
            template = await self.client.get(VM_TEMPLATES, vm.metadata.namespace or "default", name)
        except NotFound as error:
            raise NotYet("TemplateNotFound", f"there is no template {name} any more") from error
        if template.metadata.uid != uid:
            raise Terminal("TemplateNotFound", f"the template {name} is not the one that the VM was made of any more")
        path = self.places.template(uid)
        size = await asyncio.to_thread(virtual_size, path) if await asyncio.to_thread(path.exists) else None
        if size is None:
            raise NotYet("ImageNotFound", f"this node does not have the image of the template {name}")
        return StoredImage(path, "qcow2", size)

    async def _sources(self, vm: VirtualMachine, origins: Iterable[Origin]) -> dict[Origin, Source]:
        if not origins:
            return {}
        return {origin: await self._source(vm, origin) for origin in origins}

    async def _source(self, vm: VirtualMachine, origin: Origin) -> Source:
        if not origin.word:
            raise NotYet("TemplateNotTaken", "what its template says has not been written into its spec yet")
        keys = None
        if origin.secret:
            keys = keys_of_secret(await self._secret(vm.key[0], origin.secret, "secretRef of the image"))
        return await self._resolved(origin.word, origin.checksum, keys)

    async def _resolved(self, word: str, checksum: Checksum | None, keys: Keys | None = None) -> Source:
        """With this node's catalogue, folders and account."""
        try:
            catalogue = await asyncio.to_thread(read_catalogue, self.settings.catalogue)
        except ConfigError as error:
            raise NotYet("CatalogueInvalid", str(error)) from error
        try:
            keys = keys or await asyncio.to_thread(read_keys, self.settings.object_store)
        except ConfigError as error:
            raise NotYet("ObjectStoreInvalid", str(error)) from error
        return resolve(word, checksum, catalogue, self.settings.image_folders, keys)

    async def _make(
        self, vm: VirtualMachine, planned: tuple[PlannedDisk, ...], images: Mapping[Origin, StoredImage]
    ) -> None:
        uid, overcommit = vm.metadata.uid, self.settings.limits.disk_overcommit
        cloud = vm.spec.cloud_init
        name = cloud.secret_ref.name if cloud and cloud.secret_ref else None
        secret = await self._secret(vm.key[0], name, "cloudInit.secretRef") if name else None
        files = await asyncio.to_thread(seed_files, vm, secret)
        try:
            for storage_class in {disk.storage_class for disk in missing(planned)}:
                await self._ready(storage_class)
            made = await make_disks(uid, planned, images, overcommit)
            if not made:
                # Not before the guest has let go of the old disc: with one missing it may be running, and wait for it.
                await asyncio.to_thread(sweep_discs, self.places.links, uid, planned)
            for disk in await grow_disks(planned, overcommit):
                size = human_bytes(disk.size_bytes)
                log.info("vm=%s/%s disk %s is %s large now", *vm.key, disk.file.name, size)
            await asyncio.to_thread(write_seed, self.places.seed(uid), files)
            await asyncio.to_thread(make_folder, self.places.console_log(uid).parent)
        except NotYet:
            raise
        except Transient as error:
            raise NotYet("DiskFailed", f"the disks of {vm.metadata.name} cannot be made: {error}") from error
        except OSError as error:
            raise NotYet("DiskFailed", f"the disks of {vm.metadata.name} cannot be made: {words_of(error)}") from error
        if made:
            self.pools.changed(*{disk.storage_class for disk in made})

    async def _ready(self, storage_class: str) -> None:
        try:
            await self.pools.ensure(storage_class)
        except Transient as error:
            if storage_class in self.places.pools:
                raise NotYet("PoolNotReady", f"storageClass {storage_class}: {error}") from error
            # A folder holds disks also where libvirt cannot have it as a pool.
            log.warning("storageClass %s is no pool of libvirt's: %s", storage_class, error)

    async def _secret(self, namespace: str, name: str, what: str) -> Secret:
        if not _SUBDOMAIN.fullmatch(name):
            # The name becomes part of a URL's path, where `..` would lead into another namespace.
            raise Terminal("InvalidSecretName", f"{what}: {name!r} cannot be the name of a Secret")
        try:
            return await self.client.get(SECRETS, namespace, name)
        except NotFound as error:
            raise NotYet("SecretNotFound", f"{what} is {name}, a Secret that {namespace} does not have") from error


def together(coming: list[ImageProgress]) -> ImageProgress:
    """How far several imports are."""
    totals = [each.total_bytes for each in coming]
    speeds = [each.bytes_per_second for each in coming if each.bytes_per_second is not None]
    return ImageProgress(
        bytes_transferred=sum(each.bytes_transferred for each in coming),
        total_bytes=None if None in totals else sum(total or 0 for total in totals),
        bytes_per_second=sum(speeds) if speeds else None,
    )
