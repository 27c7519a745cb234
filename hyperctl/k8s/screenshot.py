"""`vm screenshot NAME -o FILE`: what is on the VM's screen, as a PNG file."""

import argparse
import asyncio
import sys
from pathlib import Path

from hyperctl.exits import Exit
from hyperctl.k8s.session import Session
from hypersdk.errors import HyperSDKError
from hypersdk.kube.streams import screenshot as taken


async def screenshot(session: Session, arguments: argparse.Namespace) -> int:
    """Save the picture; its file's name on standard output."""
    picture = await taken(session.client, session.namespace, arguments.vm)
    if arguments.output == "-":
        sys.stdout.buffer.write(picture)
        return Exit.OK
    file = Path(arguments.output or f"{arguments.vm}.png")
    try:
        await asyncio.to_thread(file.write_bytes, picture)
    except OSError as error:
        raise HyperSDKError(f"{file} cannot be written: {error.strerror}") from error
    print(file)
    return Exit.OK
