"""What a VM's reconciler needs of its neighbours in the process."""

from typing import Protocol

from hypersdk.model.metrics import Sample


class ConsoleKeeper(Protocol):
    """Reads the serial consoles (controller.gateway)."""

    async def attach(self, uuid: str, log_path: str) -> None:
        """Read the domain's serial port from now on; called before its CPUs run, and again at adoption."""
        ...

    async def detach(self, uuid: str) -> None:
        """The VM is deleted: forget its console."""
        ...


class Usage(Protocol):
    """Measures running domains (controller.gateway)."""

    def latest(self, uuid: str) -> Sample | None:
        """The newest measurement; None when there is none."""
        ...
