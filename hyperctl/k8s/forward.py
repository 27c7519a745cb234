"""`vm portforward NAME PORT`: standard input and output on a port of the guest, through the API's address."""

import argparse
import asyncio

from hyperctl.exits import Exit
from hyperctl.k8s.console import standard_input, write_out
from hyperctl.k8s.session import Session
from hypersdk.background import beside
from hypersdk.errors import UsageError
from hypersdk.kube.streams import Stream, open_stream


async def portforward(session: Session, arguments: argparse.Namespace) -> int:
    """Until either side closes."""
    if not 0 < arguments.port < 65536:
        raise UsageError(f"port {arguments.port}: a TCP port is between 1 and 65535")
    query = [("port", str(arguments.port))]
    stream = await open_stream(session.client, session.namespace, arguments.vm, "portforward", query)
    async with stream, beside(_send(stream)):
        async for message in stream.messages():
            if isinstance(message, bytes):
                await asyncio.to_thread(write_out, message)
    return Exit.OK


async def _send(stream: Stream) -> None:
    async for data in standard_input():
        await stream.send(data)
    await stream.control({"type": "eof"})
