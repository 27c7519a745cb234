"""Puts the places together that operations are tried at: one node with all that it needs, or two nodes."""

import asyncio
import shutil
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from hypersdk.kube.client import Client
from hypersdk.kube.endpoint import connect
from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import SECRETS
from tests.campaign.work.host import Host
from tests.campaign.work.shop import Shop
from tests.campaign.work.warm import Warm
from tests.controlplane.api import Api
from tests.controlplane.build import Binaries
from tests.libvirt.conftest import Libvirtd
from tests.libvirt.controllers import NODE, ControllerProcess, bench
from tests.nodes.counting import write_counting_disk
from tests.nodes.lab import IMAGES, SHARED, lab
from tests.s3.server import ACCESS, BUCKET, SECRET, S3Server

TICKS = 9
"""Twice a second: many of them run at the same time."""


@asynccontextmanager
async def one_node(
    api: Api, libvirtd: Libvirtd, folder: Path, s3: S3Server | None = None, linux: Path | None = None
) -> AsyncIterator[Shop]:
    """A controller with a folder for backups, and with a store where there is one."""
    namespace, vault = f"t-{uuid.uuid4().hex[:10]}", folder / "vault"
    await asyncio.to_thread(api.make_namespace, namespace)
    vault.mkdir()
    options = ("--backup-folder", str(vault), "--cpu-overcommit", "1000", "--metrics-bind", "off")
    controller = Warm(api, libvirtd.uri, folder, namespace, options=(*options, "--network", "bridge:none"))
    async with AsyncExitStack() as stack:
        client = Client(await connect(api.endpoint))
        stack.push_async_callback(client.close)
        here = await stack.enter_async_context(bench(client, namespace, controller))
        host = Host.at(libvirtd.uri)
        stack.callback(host.close)
        image = write_counting_disk(controller.images / "counting.raw", TICKS)
        shop = Shop(here, image, {NODE: (controller, host)}, vault)
        if linux is not None:
            shop.linux = Path(shutil.copy(linux, controller.images / "demo.qcow2"))
        if s3 is not None:
            await _store(shop, s3)
        yield await stack.enter_async_context(shop.open())


@asynccontextmanager
async def two_nodes(binaries: Binaries, folder: Path) -> AsyncIterator[Shop]:
    """Two controllers on two libvirtds, with storage that both have."""
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(lab(binaries, folder))
        image = write_counting_disk(folder / IMAGES / "counting.raw", TICKS)
        nodes: dict[str, tuple[ControllerProcess, Host]] = {}
        for node, controller in zip(here.nodes, here.controllers, strict=True):
            host = Host.at(node.uri)
            stack.callback(host.close)
            nodes[node.name] = (await _warmed(controller, stack), host)
        here.controller = nodes[here.nodes[0].name][0]
        shop = Shop(here, image, nodes, folder / "vault", shared=[folder / SHARED])
        yield await stack.enter_async_context(shop.open())


async def _warmed(cold: ControllerProcess, stack: AsyncExitStack) -> Warm:
    """The same controller, which starts without imports."""
    await cold.stop()
    warm = Warm(
        cold.api, cold.libvirt_uri, cold.folder, cold.namespace, cold.catalogue, cold.options, cold.node, cold.inside
    )
    stack.push_async_callback(warm.stop)
    await warm.start()
    return warm


async def _store(shop: Shop, s3: S3Server) -> None:
    body: JsonObject = {
        "metadata": {"name": "store"},
        "stringData": {"accessKeyId": ACCESS, "secretAccessKey": SECRET},
    }
    await shop.bench.client.create(SECRETS, shop.bench.namespace, body)
    shop.objects = s3.objects
    shop.store = {
        "type": "s3",
        "bucket": BUCKET,
        "prefix": "kept",
        "endpoint": s3.endpoint,
        "credentials": {"secretRef": {"name": "store"}},
    }
