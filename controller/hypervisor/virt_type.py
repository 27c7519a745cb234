"""Does this host run its guests with KVM? As it was set, or found out by using it: once, and again when it changes."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

from controller.hypervisor.facts import Capabilities, Choice, capabilities
from controller.hypervisor.kvm_probe import DEVICE, Probe, probe_kvm
from controller.hypervisor.link import Link

_CAPABILITIES_S = 60.0
"""libvirt probes QEMU for its answer, and at length on a host whose /dev/kvm does not work."""

Signature = tuple[int, ...]


class VirtTypeChoice:
    """The virtualization type of new domains, and why it is that."""

    def __init__(
        self,
        wanted: Literal["auto", "kvm", "qemu"],
        probe: Callable[[], Awaitable[Probe]] = probe_kvm,
        device: Path = DEVICE,
    ) -> None:
        self._wanted = wanted
        self._probe = probe
        self._device = device
        self._lock = asyncio.Lock()
        self._choice: Choice | None = None
        self._seen: Signature = ()

    async def decide(self, link: Link) -> Choice:
        """What was found out at the first call; found out anew when the device is another one, came or went."""
        async with self._lock:
            seen = _signature(self._device)
            if self._choice is None or seen != self._seen:
                can = await link.read(capabilities, "read libvirt's capabilities", _CAPABILITIES_S)
                self._choice, self._seen = await self._decided(can), seen
            return self._choice

    async def _decided(self, can: Capabilities) -> Choice:
        if self._wanted == "qemu":
            return Choice("qemu", "set to qemu", None, can.machine_types)
        tried = await self._probe() if can.offers_kvm else Probe(False, self._not_offered())
        if self._wanted == "kvm":
            return Choice("kvm", "set to kvm", tried, can.machine_types)
        return Choice("kvm" if tried.works else "qemu", tried.reason, tried, can.machine_types)

    def _not_offered(self) -> str:
        if self._device.exists():
            return f"libvirt offers no KVM on this host: it does not see or cannot use {self._device}"
        return f"libvirt offers no KVM on this host: there is no {self._device}"


def _signature(device: Path) -> Signature:
    """By which a change of the device is seen; its times change with each use and tell nothing."""
    try:
        facts = device.stat()
    except OSError:
        return ()
    return (facts.st_rdev, facts.st_ino, facts.st_mode, facts.st_uid, facts.st_gid)
