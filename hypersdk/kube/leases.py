"""Who leads, among processes that all want to: a coordination.k8s.io Lease, by the rules of client-go."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from hypersdk.errors import AlreadyExists, ApiError, Conflict, NotFound, Unreachable
from hypersdk.kube.client import Client
from hypersdk.kube.events import utcnow
from hypersdk.model.base import JsonObject, rfc3339_micro
from hypersdk.model.core import Lease
from hypersdk.model.kinds import LEASES, NAMESPACES

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Terms:
    """Times in seconds, client-go's defaults; the leader gives up before anybody else may take over."""

    duration: float = 15.0
    give_up: float = 10.0
    retry: float = 2.0


@dataclass
class Election:
    """Stands for one Lease under one identity."""

    client: Client
    namespace: str
    name: str
    identity: str
    now: Callable[[], datetime] = utcnow
    terms: Terms = Terms()
    _seen: str = ""
    """The lease's version when it last changed, and when that was by this process' own clock."""
    _seen_at: float = 0.0
    _mine: Lease | None = None
    """The lease as this holder wrote it last."""

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Run `lead` whenever the lease is held, and cancel it when it is lost; for ever."""
        while True:
            if await self._try():
                log.info("leading as %s", self.identity)
                await self._lead(lead)
                log.info("not leading any more")
            await asyncio.sleep(self.terms.retry)

    async def _lead(self, lead: Callable[[], Awaitable[None]]) -> None:
        async with asyncio.TaskGroup() as group:
            leading = group.create_task(_awaited(lead))
            try:
                await self._keep()
            finally:
                leading.cancel()

    async def _keep(self) -> None:
        """Renew until that has failed for too long, or somebody else holds the lease."""
        loop = asyncio.get_running_loop()
        renewed = loop.time()
        while loop.time() - renewed < self.terms.give_up:
            await asyncio.sleep(self.terms.retry)
            if await self._try():
                renewed = loop.time()

    async def _try(self) -> bool:
        """Take or renew the lease; whether it is held now."""
        try:
            async with asyncio.timeout(self.terms.give_up):
                return await self._take()
        except Conflict:
            return False
        except (ApiError, Unreachable, TimeoutError) as error:
            log.info("lease %s/%s: %s", self.namespace, self.name, error or "no answer")
            return False

    async def _take(self) -> bool:
        known, self._mine = self._mine, None
        if known is not None:
            # Renewed without a look at it first: somebody else's change is a conflict, and then it is looked at.
            with contextlib.suppress(Conflict, NotFound):
                return await self._hold(known)
        try:
            lease = await self.client.get(LEASES, self.namespace, self.name)
        except NotFound:
            return await self._create()
        if lease.spec.holder_identity not in {self.identity, None, ""} and not self._is_over(lease):
            return False
        return await self._hold(lease)

    async def _hold(self, lease: Lease) -> bool:
        """Write this holder and the time into the lease as it was read; Conflict when it is not so any more."""
        moment = rfc3339_micro(self.now())
        spec: JsonObject = {"holderIdentity": self.identity, "renewTime": moment, **self._term()}
        if lease.spec.holder_identity != self.identity:
            spec |= {"acquireTime": moment, "leaseTransitions": (lease.spec.lease_transitions or 0) + 1}
        patch: JsonObject = {"metadata": {"resourceVersion": lease.metadata.resource_version}, "spec": spec}
        self._mine = await self.client.patch(LEASES, self.namespace, self.name, patch)
        return True

    async def _create(self) -> bool:
        moment = rfc3339_micro(self.now())
        spec: JsonObject = {"holderIdentity": self.identity, "acquireTime": moment, "renewTime": moment, **self._term()}
        body: JsonObject = {"metadata": {"name": self.name}, "spec": spec}
        try:
            await self.client.create(LEASES, self.namespace, body)
        except NotFound:
            with contextlib.suppress(AlreadyExists):
                await self.client.create(NAMESPACES, "", {"metadata": {"name": self.namespace}})
            await self.client.create(LEASES, self.namespace, body)
        return True

    def _term(self) -> JsonObject:
        return {"leaseDurationSeconds": int(self.terms.duration)}

    def _is_over(self, lease: Lease) -> bool:
        """Whether the holder has not renewed for as long as it said; clocks of other machines are not believed."""
        moment = asyncio.get_running_loop().time()
        if lease.metadata.resource_version != self._seen:
            self._seen, self._seen_at = lease.metadata.resource_version, moment
            return False
        return moment - self._seen_at >= (lease.spec.lease_duration_seconds or self.terms.duration)


async def _awaited(lead: Callable[[], Awaitable[None]]) -> None:
    await lead()
