"""The serial pane alone: Enter lets a file of output in, `python -m benchmarks.pane_program FILE EMULATOR`."""

import sys
from pathlib import Path

from textual.app import ComposeResult

from tui.output import PacedApp
from tui.terminal.choice import new_emulator
from tui.widgets.serial import SerialPane

CHUNK = 65536


class PaneApp(PacedApp):
    """Nothing but the pane."""

    def __init__(self, file: Path, emulator: str) -> None:
        super().__init__()
        self._file = file
        self._emulator = emulator

    def compose(self) -> ComposeResult:
        """The pane."""
        yield SerialPane(emulator=new_emulator(asked=self._emulator))

    async def on_mount(self) -> None:
        """Say that it is ready."""
        pane = self.query_one(SerialPane)
        pane.focus()
        await pane.feed(b"READY")

    async def on_serial_pane_typed(self) -> None:
        """Let the output in."""
        pane = self.query_one(SerialPane)
        with self._file.open("rb") as output:
            while piece := output.read(CHUNK):
                await pane.feed(piece)


if __name__ == "__main__":
    PaneApp(Path(sys.argv[1]), sys.argv[2]).run(mouse=False)
