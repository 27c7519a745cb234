"""What a host in memory has beside its domains: networks, pools, GPUs, logs, and no screens."""

import socket
from typing import TYPE_CHECKING, cast

from controller.hypervisor.port import ConsoleDevice, SerialConsole
from controller.hypervisor.readings import HostFacts, HostGpu, HostNetwork, HostPool
from hypersdk.errors import Transient

if TYPE_CHECKING:
    from controller.hypervisor.fake import FakeHypervisor


class FakeHost:
    """The part of the fake that tells of its host."""

    async def facts(self) -> HostFacts:
        """The host."""
        self._fake.ask("facts")
        return self._fake.host

    async def open_console(self, uuid: str, device: ConsoleDevice = "serial0") -> SerialConsole:
        """There is none."""
        raise Transient(f"the fake has no console for {uuid}")

    async def ensure_network(self, name: str) -> HostNetwork:
        """There, unless it was told to fail."""
        self._fake.ask("ensure_network")
        if self._fake.network_error is not None:
            raise self._fake.network_error
        return HostNetwork(name, True, "virbr0")

    async def has_bridge(self, name: str) -> bool:
        """There, unless it was taken away."""
        self._fake.ask("has_bridge")
        return name not in self._fake.missing_bridges

    async def pools(self) -> list[HostPool]:
        """What a test put there."""
        self._fake.ask("pools")
        return self._fake.host_pools

    async def ensure_pool(self, name: str, path: str = "") -> HostPool:
        """There, with room for everything."""
        self._fake.ask("ensure_pool")
        return HostPool(name, path or f"/pools/{name}", 2**50, 2**50)

    async def refresh_pool(self, name: str) -> None:
        """Seen."""
        self._fake.ask("refresh_pool")
        self._fake.refreshed_pools.append(name)

    async def log_tail(self, name: str, lines: int) -> list[str]:
        """What a test put there."""
        self._fake.ask("log_tail")
        return self._fake.logs.get(name, [])[-lines:]

    def log_path(self, name: str) -> str:
        """There are no files here."""
        return ""

    async def screenshot(self, uuid: str) -> bytes:
        """There are no screens here."""
        raise Transient(f"the fake has no screen for {uuid}")

    async def gpus(self) -> list[HostGpu]:
        """What a test put there."""
        self._fake.ask("gpus")
        return self._fake.host_gpus

    async def host_devices(self) -> dict[str, tuple[str, ...]]:
        """Of every domain."""
        self._fake.ask("host_devices")
        both = {
            uuid: (*domain.defined_hardware.host_devices, *domain.observed.hardware.host_devices)
            for uuid, domain in self._fake.domains_by_uuid.items()
        }
        return {uuid: tuple(dict.fromkeys(devices)) for uuid, devices in both.items() if devices}

    async def open_graphics(self, uuid: str) -> socket.socket:
        """There are no screens here."""
        raise Transient(f"the fake has no screen for {uuid}")

    @property
    def _fake(self) -> "FakeHypervisor":
        return cast("FakeHypervisor", self)
