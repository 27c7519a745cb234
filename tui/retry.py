"""Keeping a stream open: try, wait a little longer each time, try again."""

import asyncio
from collections.abc import Awaitable, Callable

from hypersdk.errors import HyperSDKError

FIRST_S = 0.5
LONGEST_S = 5.0


async def keep_open(attempt: Callable[[], Awaitable[bool]], failed: Callable[[str], None]) -> None:
    """Run `attempt` again whenever it ends, until cancelled; it answers whether it got anything."""
    delay = FIRST_S
    while True:
        words = "the far side closed the stream"
        try:
            got_any = await attempt()
        except HyperSDKError as error:
            got_any, words = False, str(error)
        failed(words)
        delay = FIRST_S if got_any else min(LONGEST_S, delay * 2)
        await asyncio.sleep(delay)
