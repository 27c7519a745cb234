"""The controller that is killed: what it writes is heard line by line, so that a kill can follow a line at once."""

import asyncio
from dataclasses import dataclass, field

from tests.libvirt.controllers import ControllerProcess


@dataclass
class Heard:
    """Somebody waits for a line with all of these words."""

    words: tuple[str, ...]
    future: asyncio.Future[None]


@dataclass
class Narrated(ControllerProcess):
    """A controller process whose log can be listened to."""

    kills: int = 0
    _listeners: list[Heard] = field(default_factory=list)
    _narrator: asyncio.Task[None] | None = None

    async def launch(self) -> None:
        """Start it, and do not wait until it is ready."""
        self.process = await self.spawned(asyncio.subprocess.PIPE)
        assert self.process.stderr is not None
        self._narrator = asyncio.create_task(self._narrate(self.process.stderr))

    async def start(self) -> None:
        """Start it, and wait until it says that it is ready."""
        await self.launch()
        await self.until_ready()

    async def kill(self) -> None:
        """kill -9."""
        self.kills += 1
        await super().kill()
        await self._told()

    async def stop(self) -> None:
        """SIGTERM."""
        await super().stop()
        await self._told()

    def hears(self, *words: str) -> asyncio.Future[None]:
        """Done as soon as it writes a line with all of these words."""
        heard = Heard(words, asyncio.get_running_loop().create_future())
        self._listeners.append(heard)
        return heard.future

    def hush(self) -> None:
        """Nobody listens any more."""
        for heard in self._listeners:
            heard.future.cancel()
        self._listeners.clear()

    async def _told(self) -> None:
        if self._narrator is not None:
            await self._narrator

    async def _narrate(self, stderr: asyncio.StreamReader) -> None:
        with self.log.open("ab", buffering=0) as log:
            async for line in stderr:
                log.write(line)
                self._tell(line.decode(errors="replace"))

    def _tell(self, line: str) -> None:
        for heard in self._listeners:
            if not heard.future.done() and all(word in line for word in heard.words):
                heard.future.set_result(None)
