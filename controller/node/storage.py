"""Everything on the host's disks that a VM needs before it can start: image, disks, seed."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from controller.node.disks import make_disks, missing
from controller.node.finding import NotYet
from controller.node.images import Images, StoredImage
from controller.node.layout import PlannedDisk, planned_disks
from controller.node.places import NodePlaces, make_folder
from controller.node.seed import seed_files, write_seed
from controller.node.source import read_catalogue, resolve
from controller.settings import Settings
from hypersdk.errors import ConfigError, NotFound, Terminal
from hypersdk.kube.client import Client
from hypersdk.model.core import Secret
from hypersdk.model.kinds import SECRETS
from hypersdk.model.virtualmachine import ImageProgress, VirtualMachine

_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


class Storage(Protocol):
    """The files of VMs. NotYet and Terminal carry the reason for the DiskReady condition."""

    async def prepare(self, vm: VirtualMachine, wake: Callable[[], None]) -> ImageProgress | None:
        """Make what is missing; how far the import is while one goes on (`wake` is called), None when all is there."""
        ...

    def retry(self, uid: str) -> None:
        """Somebody asks anew: what failed for good deserves another try."""
        ...

    async def remove(self, uid: str) -> None:
        """Remove everything that carries this uid."""
        ...


@dataclass
class NodeStorage:
    """The node's own storage behind that."""

    places: NodePlaces
    images: Images
    client: Client
    settings: Settings

    async def prepare(self, vm: VirtualMachine, wake: Callable[[], None]) -> ImageProgress | None:
        """Image, then disks, then seed and the folder of the console's log."""
        planned = planned_disks(vm, self.places)
        image: StoredImage | None = None
        if any(disk.from_image for disk in missing(planned)):
            got = await self._image(vm, wake)
            if isinstance(got, ImageProgress):
                return got
            image = got
        await self._make(vm, planned, image)
        return None

    def retry(self, uid: str) -> None:
        """Forget the failed import."""
        self.images.retry(uid)

    async def remove(self, uid: str) -> None:
        """Remove everything that carries this uid, and give up an import that nobody else waits for."""
        self.images.forget(uid)
        await asyncio.to_thread(self.places.remove, uid)

    async def _image(self, vm: VirtualMachine, wake: Callable[[], None]) -> StoredImage | ImageProgress:
        image = vm.spec.image
        if image is None or not image.source:
            raise Terminal("TemplateUnsupported", "image.templateRef is not supported yet; use image.source")
        try:
            catalogue = await asyncio.to_thread(read_catalogue, self.settings.catalogue)
        except ConfigError as error:
            raise NotYet("CatalogueInvalid", str(error)) from error
        source = resolve(image.source, image.checksum, catalogue, self.settings.image_folders)
        return await self.images.ensure(source, vm.metadata.uid, wake)

    async def _make(self, vm: VirtualMachine, planned: tuple[PlannedDisk, ...], image: StoredImage | None) -> None:
        uid = vm.metadata.uid
        files = seed_files(vm, await self._secret(vm))
        try:
            await make_disks(planned, image)
            await asyncio.to_thread(write_seed, self.places.seed(uid), files)
            await asyncio.to_thread(make_folder, self.places.console_log(uid).parent)
        except OSError as error:
            words = f"{error.filename or 'a disk'}: {error.strerror or error}"
            raise NotYet("DiskFailed", f"the disks of {vm.metadata.name} cannot be made: {words}") from error

    async def _secret(self, vm: VirtualMachine) -> Secret | None:
        cloud = vm.spec.cloud_init
        name = cloud.secret_ref.name if cloud and cloud.secret_ref else None
        if not name:
            return None
        if not _SUBDOMAIN.fullmatch(name):
            # The name becomes part of a URL's path, where `..` would lead into another namespace.
            raise Terminal("InvalidSecretName", f"cloudInit.secretRef.name {name!r} cannot be the name of a Secret")
        namespace = vm.metadata.namespace or "default"
        try:
            return await self.client.get(SECRETS, namespace, name)
        except NotFound as error:
            raise NotYet("SecretNotFound", f"cloudInit names Secret {name}, which {namespace} does not have") from error
