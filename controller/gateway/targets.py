"""Which VM does a stream's address name, and can it be served here?"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from hypersdk.errors import ApiError, Conflict, NotFound
from hypersdk.kube.cache import Cache, Key
from hypersdk.model.virtualmachine import Address, VirtualMachine

_TRUST = ("lease", "arp", "agent")
"""What the host saw itself comes before what the guest says of itself."""


@dataclass(frozen=True)
class Target:
    """What the gateway needs to know of one VM."""

    uuid: str
    node_name: str = ""
    """The node that has it; empty when none does."""
    addresses: tuple[str, ...] = ()
    """The guest's IP addresses, the most trusted first."""


Lookup = Callable[[str, str], Target | None]


def lookup_in(cache: Cache[VirtualMachine]) -> Lookup:
    """Looks VMs up in the controller's cache, by namespace and name."""

    def lookup(namespace: str, name: str) -> Target | None:
        vm = cache.get(namespace, name)
        return None if vm is None else target_of(vm)

    return lookup


def target_of(vm: VirtualMachine) -> Target:
    """What the gateway needs to know of this VM."""
    found: list[Address] = sorted(vm.status.addresses or [], key=lambda address: _TRUST.index(address.source))
    addresses = [address.ip for address in found] or vm.status.ip_addresses or []
    return Target(vm.metadata.uid, vm.status.node_name or "", tuple(dict.fromkeys(addresses)))


@dataclass
class Residents:
    """The VMs of this node, and who waits for one of them to leave."""

    node_name: str
    lookup: Lookup
    _news: dict[Key, asyncio.Event] = field(default_factory=dict)

    def changed(self, keys: Iterable[Key]) -> None:
        """The API says something new of these VMs."""
        for key in keys:
            if (news := self._news.pop(key, None)) is not None:
                news.set()

    async def left(self, namespace: str, name: str) -> None:
        """Wait until the VM is another node's, or nobody's."""
        while (target := self.lookup(namespace, name)) is not None and target.node_name == self.node_name:
            await self._news.setdefault((namespace, name), asyncio.Event()).wait()  # for as long as it stays


def target_of_name(lookup: Lookup, namespace: str, name: str) -> Target:
    """The VM, on whichever node it is; ApiError with words for a person when it is on none."""
    target = lookup(namespace, name)
    if target is None:
        raise NotFound(f'virtualmachines.hypersdk.io "{name}" not found in namespace "{namespace}"', 404, "NotFound")
    if not target.node_name:
        raise Conflict(f"VM {namespace}/{name} is on no node yet; see its status", 409, "Conflict")
    return target


def elsewhere(what: str, target: Target, node_name: str) -> ApiError:
    """503 for a VM of another node that there is no way to."""
    where = f"{what} is on node {target.node_name}"
    return ApiError(f"{where}, and this gateway serves node {node_name} only", 503, "ServiceUnavailable")
