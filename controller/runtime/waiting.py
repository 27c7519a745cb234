"""How is something waited for, but not for ever?"""

import asyncio


async def within(event: asyncio.Event, seconds: float | None) -> None:
    """Return once it is set, or after that time, whichever comes first; None is no limit."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
