"""`vm logs NAME`: the last lines of a VM's logs, and what is added to them."""

import argparse
import sys

from hyperctl.exits import Exit
from hyperctl.k8s.session import Session
from hypersdk.errors import UsageError
from hypersdk.kube.streams import LogSource, log_text, open_log

MOST_LINES = 10_000


async def logs(session: Session, arguments: argparse.Namespace) -> int:
    """Print the log; with --follow until the user or the node ends it."""
    lines, source = _lines(arguments.lines), _source(arguments)
    if not arguments.follow:
        sys.stdout.write(await log_text(session.client, session.namespace, arguments.vm, source, lines))
        return Exit.OK
    async with await open_log(session.client, session.namespace, arguments.vm, source, lines) as stream:
        async for message in stream.messages():
            if isinstance(message, str):
                sys.stdout.write(message)
                sys.stdout.flush()
    return Exit.OK


def _source(arguments: argparse.Namespace) -> LogSource:
    if arguments.serial:
        return "serial0"
    return "console1" if arguments.virtio else "qemu"


def _lines(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:6]) <= MOST_LINES and len(text) < 6):
        raise UsageError(f"-lines {text}: a number from 1 to {MOST_LINES}")
    return int(text)
