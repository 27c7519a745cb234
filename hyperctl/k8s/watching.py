"""`-w`: each object that changes, until the user ends it."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from hypersdk.background import beside
from hypersdk.errors import Invalid, UsageError
from hypersdk.kube.cache import Cache, Health, Key
from hypersdk.kube.client import Client
from hypersdk.kube.pulse import Pulse
from hypersdk.kube.watch import Watch
from hypersdk.model.base import Resource
from hypersdk.model.kinds import Kind
from hypersdk.plaintext import plain

R = TypeVar("R", bound=Resource)


@dataclass(frozen=True)
class Selection:
    """Which objects: an empty namespace means all of them."""

    namespace: str
    labels: str = ""
    fields: str = ""


async def listed(client: Client, kind: Kind[R], which: Selection) -> list[R]:
    """Those that are there now; UsageError for labels that the API cannot read."""
    try:
        return await client.list(kind, which.namespace, labels=which.labels, fields=which.fields)
    except Invalid as error:
        if not which.labels:
            raise
        raise UsageError(f"-l {which.labels}: {error}") from error


async def follow(
    client: Client, kind: Kind[R], which: Selection, known: Sequence[R], tell: Callable[[R], None]
) -> None:
    """Tell of each object that is new or differs from what is known; of one that is gone, as it was last."""
    cache: Cache[R] = Cache()
    last = {obj.key: obj for obj in known}
    cache.put(known)

    def look(keys: frozenset[Key]) -> None:
        for key in sorted(keys):
            before, now = last.pop(key, None), cache.get(*key)
            if now is not None:
                last[key] = now
            if now is None or before is None or before.metadata.resource_version != now.metadata.resource_version:
                _told(tell, now or before)
        if not keys and cache.health is not Health.LIVE and cache.error:
            print(f"hyperctl: {plain(cache.error)}; trying again", file=sys.stderr)

    cache.subscribe(look)
    watch, pulse = Watch(client, kind, cache, which.namespace, which.labels, which.fields), Pulse(client)
    with pulse.over(watch):
        async with beside(pulse.run()):
            await watch.run()


def _told(tell: Callable[[R], None], obj: R | None) -> None:
    if obj is not None:
        tell(obj)
