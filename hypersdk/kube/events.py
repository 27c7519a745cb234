"""Events as Kubernetes keeps them: repeats are counted on one object instead of made again (v1.Event)."""

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from hypersdk.errors import AlreadyExists, ApiError, NotFound, Unreachable
from hypersdk.kube.client import Client
from hypersdk.model.base import JsonObject, Resource, rfc3339
from hypersdk.model.kinds import EVENTS
from hypersdk.plaintext import plain_lines

log = logging.getLogger(__name__)
EventType = Literal["Normal", "Warning"]
REMEMBERED = 4096
BURST = 10
REFILL_S = 300.0
"""As client-go's EventSpamFilter, with its own bucket for each reason: one that storms leaves room for the others."""


def utcnow() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)


@dataclass
class Recorder:
    """Writes Events about objects; a repeat of the same words raises the count of the Event that is there."""

    client: Client
    component: str
    host: str
    now: Callable[[], datetime] = utcnow
    _counts: OrderedDict[str, int] = field(default_factory=OrderedDict)
    _buckets: OrderedDict[tuple[str, str], tuple[float, datetime]] = field(default_factory=OrderedDict)

    async def record(self, about: Resource, kind: EventType, reason: str, message: str) -> None:
        """Record; an Event that cannot be written, or storms, is logged and lost, for it is talk and not state."""
        if not self._may(about.metadata.uid, reason):
            log.debug("event %s of %s storms, and is left out", reason, about.metadata.name)
            return
        namespace = about.metadata.namespace or "default"
        name = event_name(about, reason, message)
        try:
            count = await self._write(namespace, name, self._body(about, kind, reason, message, name))
        except (ApiError, Unreachable) as error:
            log.warning("event %s of %s was not written: %s", reason, about.metadata.name, error)
        else:
            self._remember(name, count)

    async def _write(self, namespace: str, name: str, body: JsonObject) -> int:
        """Raise the count of the Event that is there, or make it; the count that it has now."""
        known = self._counts.get(name, 0)
        if known and await self._repeat(namespace, name, known + 1):
            return known + 1
        try:
            await self.client.create(EVENTS, namespace, body)
        except AlreadyExists:  # a recorder before this one made it
            there = await self.client.get(EVENTS, namespace, name)
            count = (there.count or 1) + 1
            await self._repeat(namespace, name, count)
            return count
        return 1

    async def _repeat(self, namespace: str, name: str, count: int) -> bool:
        """Whether the Event is still there to be counted up."""
        patch: JsonObject = {"count": count, "lastTimestamp": rfc3339(self.now())}
        try:
            await self.client.patch(EVENTS, namespace, name, patch)
        except NotFound:
            return False
        return True

    def _may(self, uid: str, reason: str) -> bool:
        """Whether the object had this reason seldom enough."""
        now = self.now()
        left, at = self._buckets.pop((uid, reason), (float(BURST), now))
        left = min(BURST, left + (now - at).total_seconds() / REFILL_S)
        self._buckets[(uid, reason)] = (left - 1 if left >= 1 else left, now)
        while len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
        return left >= 1

    def _remember(self, name: str, count: int) -> None:
        self._counts[name] = count
        self._counts.move_to_end(name)
        while len(self._counts) > REMEMBERED:
            self._counts.popitem(last=False)

    def _body(self, about: Resource, kind: EventType, reason: str, message: str, name: str) -> JsonObject:
        moment = rfc3339(self.now())
        reference: JsonObject = {
            "apiVersion": about.api_version,
            "kind": about.kind,
            "name": about.metadata.name,
            "uid": about.metadata.uid,
        }
        if about.metadata.namespace:
            reference["namespace"] = about.metadata.namespace
        return {
            "metadata": {"name": name},
            "involvedObject": reference,
            "type": kind,
            "reason": reason,
            "message": "\n".join(plain_lines(message))[:1024],
            "count": 1,
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "source": {"component": self.component, "host": self.host},
            "reportingComponent": self.component,
            "reportingInstance": self.host,
        }


def event_name(about: Resource, reason: str, message: str) -> str:
    """The same object, reason and words give the same Event."""
    words = "\0".join((about.kind, about.metadata.uid, reason, message))
    return f"{about.metadata.name[:200].rstrip('.-')}.{hashlib.sha256(words.encode()).hexdigest()[:16]}"
