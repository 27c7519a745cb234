"""The command palette: the same commands as the keys, found by name."""

from collections.abc import Iterator

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.types import IgnoreReturnCallbackType

from tui.commands import Command, View, commands
from tui.screens.base import ConsoleScreen


class Palette(Provider):
    """Commands of the screen that the palette was opened on."""

    async def search(self, query: str) -> Hits:
        """The commands whose name or help matches."""
        matcher = self.matcher(query)
        for command, run in self._commands():
            text = f"{command.title}: {command.help}"
            if (score := matcher.match(text)) > 0:
                yield Hit(score, matcher.highlight(text), run, text=text)

    async def discover(self) -> Hits:
        """All of them."""
        for command, run in self._commands():
            yield DiscoveryHit(f"{command.title}: {command.help}", run)

    def _commands(self) -> Iterator[tuple[Command, IgnoreReturnCallbackType]]:
        screen = self.screen
        if not isinstance(screen, ConsoleScreen):
            return
        read_only = screen.workspace.read_only
        for command in commands(screen.VIEW, View.ANYWHERE, read_only=read_only):
            if command.action and command.id != "app.palette":
                yield command, self._runner(screen, command)

    def _runner(self, screen: ConsoleScreen, command: Command) -> IgnoreReturnCallbackType:
        async def run() -> None:
            await screen.run_action(command.action)

        return run
