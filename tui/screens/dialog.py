"""What dialogs have in common: they close, and what they would do can be copied as the command that does the same."""

from typing import TypeVar

from textual.screen import ModalScreen

A = TypeVar("A")


class Dialog(ModalScreen[A]):
    """A dialog over a full screen."""

    CSS_PATH = "dialogs.tcss"

    def command_lines(self) -> list[str]:
        """The `hyperctl` lines that do what this dialog is about; none when there are none."""
        return []

    def action_copy(self) -> None:
        """Copy them to the clipboard of the terminal's host (OSC 52), also over ssh."""
        if lines := self.command_lines():
            self.app.copy_to_clipboard("\n".join(lines))
            more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
            self.notify(f"copied: {lines[0]}{more}", markup=False)
