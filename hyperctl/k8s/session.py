"""A connected client for one command, and how a command's coroutine is run to an exit code."""

import argparse
import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hypersdk.background import leaf
from hypersdk.kube.client import Client
from hypersdk.kube.endpoint import Endpoint, connect, default_kubeconfig
from hypersdk.settings import places


@dataclass(frozen=True)
class Session:
    """Who to talk to, in which namespace."""

    client: Client
    namespace: str
    endpoint: Endpoint


Work = Callable[[Session], Awaitable[int]]


def endpoint_of(arguments: argparse.Namespace) -> Endpoint:
    """The API that the options and the environment name."""
    embedded = places(os.environ).kubeconfig
    return Endpoint(arguments.kubeconfig or default_kubeconfig(os.environ, embedded), arguments.context)


def run(arguments: argparse.Namespace, work: Work) -> int:
    """Connect, do the work, close; the work's exit code."""
    return asyncio.run(_run(arguments, work))


async def _run(arguments: argparse.Namespace, work: Work) -> int:
    endpoint = endpoint_of(arguments)
    client = Client(await connect(endpoint))
    try:
        return await work(Session(client, arguments.namespace or client.namespace, endpoint))
    except BaseExceptionGroup as group:
        raise leaf(group) from None
    finally:
        await client.close()
