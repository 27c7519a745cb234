"""What does somebody see of a VM of the lab who only looks: at its pane in the console, and at its screen?"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncvnc
from textual.pilot import Pilot

from hypersdk.kube.client import Client
from hypersdk.kube.streams import metrics
from tests.nodes.guest import WITHIN
from tests.nodes.lab import Lab
from tests.tui.screen import started, until
from tests.unit.gateway.loopback import FrontProxy
from tui.options import Options
from tui.screens.detail import DetailScreen
from tui.session import Session, live_session

ADMIN = "kubernetes-admin"


@dataclass
class Pane:
    """The console with one VM's pane open; whatever it shows, no key is pressed for it."""

    lab: Lab
    name: str
    pilot: Pilot[None]

    @property
    def screen(self) -> DetailScreen:
        """The pane."""
        found = self.pilot.app.screen
        assert isinstance(found, DetailScreen)
        return found

    async def follows(self, node: str) -> None:
        """Wait until it shows this node, and figures of it that are newer than all that it had."""
        seen = len(self.screen._metrics._history.samples)
        shown = await until(self.pilot, f"Node         {node}", within=WITHIN)
        assert "Status       ● Running" in await until(self.pilot, "● Running", within=WITHIN), shown
        taken = await self._taken_on(node)
        async with asyncio.timeout(WITHIN):
            while not taken & (times := {one.time for one in list(self.screen._metrics._history.samples)[seen:]}):
                await self.pilot.pause(0.1)
                taken = await self._taken_on(node)
        assert max(times) in await self._taken_on(node), "nothing comes of the old node any more"
        assert not self.screen.has_class("-no-samples"), "what was said of the break is gone"

    async def _taken_on(self, node: str) -> set[float]:
        """When that node itself has measured the VM."""
        client = gateway_of(self.lab, node, ADMIN)
        try:
            return {one.time for one in (await metrics(client, self.lab.namespace, self.name)).samples}
        finally:
            await client.close()


def gateway_of(lab: Lab, node: str, user: str) -> Client:
    """A node's own gateway, as the API server asks it in somebody's name."""
    return Client(FrontProxy(lab.controllers[int(node[-1]) - 1].folder / "gw.sock", user))


@asynccontextmanager
async def pane(lab: Lab, name: str) -> AsyncIterator[Pane]:
    """A VM's pane: its figures were looked at, and then its overview."""
    api = lab.api
    assert api is not None

    async def connect(context: str) -> Session:
        return await live_session(api.endpoint)

    async with started(connect, (100, 40), options=Options(namespace=lab.namespace)) as pilot:
        await until(pilot, name, within=WITHIN)
        await pilot.press("slash", *name, "enter", "enter", "2")
        await until(pilot, "CPU", within=WITHIN)
        await pilot.press("1")
        yield Pane(lab, name, pilot)


@asynccontextmanager
async def vnc(environ: dict[str, str], name: str, socket: Path) -> AsyncIterator[asyncvnc.Client]:
    """`hyperctl k8s vm console --vnc`, and a viewer that has shaken hands there; ended as Ctrl-C does."""
    words = ("-m", "hyperctl", "k8s", "vm", "console", name, "--vnc", "-socket", str(socket))
    process = await asyncio.create_subprocess_exec(sys.executable, *words, env=environ, stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    try:
        async with asyncio.timeout(WITHIN):
            said = (await process.stderr.readline()).decode()
        assert f"the screen of {name} is at {socket}" in said, said
        async with asyncvnc.connect("", opener=lambda *_: asyncio.open_unix_connection(str(socket))) as viewer:
            yield viewer
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        await process.communicate()
