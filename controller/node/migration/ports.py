"""What moving a VM needs of its neighbours in the process."""

import asyncio
from typing import Protocol

from hypersdk.kube.cache import Key
from hypersdk.model.base import JsonObject


class Peers(Protocol):
    """The controllers of the other nodes (controller.gateway), each sure of who the other is."""

    async def ask(self, node: str, vm: Key, what: str, body: JsonObject) -> JsonObject:
        """`prepare`, `settle`, `state`, `say`, `run` or `discard`; Transient when nobody answers, Terminal for a no."""
        ...

    async def carry(
        self, node: str, vm: Key, operation: str, socket: str, ends: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    ) -> None:
        """Carry the bytes of one connection to that socket on the other node, until either side ends."""
        ...
