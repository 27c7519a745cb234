"""Starting a console on a scripted session, reading its screen, and waiting for words with a deadline."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from textual.pilot import Pilot

from hypersdk.data import data_folder
from tests.tui.builders import NOW
from tui.app import HypersdkApp
from tui.options import Options
from tui.session import Connect, Session
from tui.theme import load_theme

DEADLINE_S = 8.0
"""Less than the shortest time limit of a test, so that a failure shows the screen."""


@asynccontextmanager
async def console(
    session: Session,
    size: tuple[int, int] = (80, 24),
    *,
    options: Options | None = None,
    theme: str = "dark",
    unicode: bool = True,
    notices: Sequence[str] = (),
) -> AsyncIterator[Pilot[None]]:
    """A running console; the session answers at once."""

    async def connect(context: str) -> Session:
        return session

    async with started(connect, size, options=options, theme=theme, unicode=unicode, notices=notices) as pilot:
        yield pilot


@asynccontextmanager
async def started(
    connect: Connect,
    size: tuple[int, int] = (80, 24),
    *,
    options: Options | None = None,
    theme: str = "dark",
    unicode: bool = True,
    notices: Sequence[str] = (),
) -> AsyncIterator[Pilot[None]]:
    """A running console that connects as it is told."""
    look = load_theme(theme, [data_folder("themes")])
    app = HypersdkApp(options or Options(), connect, look, notices=notices, unicode=unicode, now=lambda: NOW)
    async with app.run_test(size=size, notifications=True) as pilot:
        yield pilot


def app_of(pilot: Pilot[None]) -> HypersdkApp:
    """The application under test."""
    assert isinstance(pilot.app, HypersdkApp)
    return pilot.app


def text(pilot: Pilot[None]) -> str:
    """What the screen shows, line by line."""
    strips = pilot.app.screen._compositor.render_strips(pilot.app.size)
    return "\n".join(strip.text.rstrip() for strip in strips)


def lines(pilot: Pilot[None]) -> list[str]:
    """The lines of the screen."""
    return text(pilot).split("\n")


async def until(pilot: Pilot[None], words: str, *, gone: bool = False, within: float = DEADLINE_S) -> str:
    """The screen's text once it has the words, or no longer has them."""
    deadline = asyncio.get_running_loop().time() + within
    while (words in (shown := text(pilot))) is gone:
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"{words!r} is {'still' if gone else 'not'} on the screen:\n{shown}")
        await pilot.pause(0.02)
    return shown
