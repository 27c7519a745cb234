"""Which names does the API know, within a short time? For completion."""

import argparse
import asyncio
from collections.abc import Mapping
from typing import Final

from hyperctl.k8s.reading import KINDS
from hyperctl.k8s.session import endpoint_of
from hypersdk.kube.client import Client
from hypersdk.kube.endpoint import connect, contexts
from hypersdk.model.kinds import NAMESPACES

MOST: Final = 500


async def known(what: str, options: Mapping[str, str], seconds: float) -> list[str]:
    """The names of VMs, nodes, operations, templates, namespaces or contexts; `options` as they stand on the line."""
    given = argparse.Namespace(kubeconfig=options.get("kubeconfig", ""), context=options.get("context", ""))
    endpoint = endpoint_of(given)
    if what == "context":
        return [context.name for context in contexts(endpoint)]
    async with asyncio.timeout(seconds):
        client = Client(await connect(endpoint))
        try:
            kind = NAMESPACES if what == "namespace" else KINDS[what]
            namespace = options.get("namespace") or client.namespace
            page = await client.page(kind, namespace if kind.namespaced else "", query=[("limit", str(MOST))])
        finally:
            await client.close()
    return [obj.metadata.name for obj in page.items]
