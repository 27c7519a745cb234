"""Does this host run its guests with KVM? As it was set, or found out once: libvirt must offer it and it must work."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

from controller.hypervisor.facts import offers_kvm
from controller.hypervisor.kvm_probe import Probe, probe_kvm
from controller.hypervisor.link import Link

Choice = tuple[Literal["kvm", "qemu"], str]

_CAPABILITIES_S = 60.0
"""libvirt probes QEMU for its answer, and at length on a host whose /dev/kvm does not work."""


class VirtTypeChoice:
    """The virtualization type of new domains, and why it is that."""

    def __init__(
        self, wanted: Literal["auto", "kvm", "qemu"], probe: Callable[[], Awaitable[Probe]] = probe_kvm
    ) -> None:
        self._wanted = wanted
        self._probe = probe
        self._lock = asyncio.Lock()
        self._choice: Choice | None = None

    async def decide(self, link: Link) -> Choice:
        """The type and the reason; found out at the first call and kept."""
        async with self._lock:
            if self._choice is None:
                self._choice = await self._decided(link)
            return self._choice

    async def _decided(self, link: Link) -> Choice:
        if self._wanted != "auto":
            return self._wanted, f"set to {self._wanted}"
        if not await link.read(offers_kvm, "read libvirt's capabilities", _CAPABILITIES_S):
            return "qemu", "libvirt offers no KVM on this host"
        probe = await self._probe()
        return ("kvm" if probe.works else "qemu"), probe.reason
