"""Does the server still answer? While its watches are quiet, one small question now and then, with little patience.

A watch alone cannot tell a quiet server from a silent one for as long as bookmarks take, which is a minute and more:
a server that hangs, and a network that swallows what is sent, leave its connection open.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hypersdk.errors import ApiError, Unreachable
from hypersdk.kube.cache import Health
from hypersdk.kube.client import Client
from hypersdk.kube.watch import Watch
from hypersdk.model.base import Resource

R = TypeVar("R", bound=Resource)

_QUESTION = "/version"
"""Kubernetes answers it to everybody (the cluster role `system:public-info-viewer`); a refusal is an answer too."""


@dataclass(frozen=True)
class Beat:
    """The times of a pulse in seconds."""

    quiet: float = 10.0
    """Nobody is asked as long as some watch has heard something within this time."""
    patience: float = 5.0
    """The longest that an answer takes: what is slower is silent."""
    hung: float = 30.0
    """A watch request without any answer for so long, from a server that answers others, is sent anew."""


@dataclass
class Pulse:
    """Cuts off the watches of one server when it gives no answer; they then try to come back by themselves."""

    client: Client
    beat: Beat = Beat()
    _watches: "list[Watch[Any]]" = field(default_factory=list)

    @contextmanager
    def over(self, watch: "Watch[R]") -> Iterator[None]:
        """Take care of a watch for the length of the block."""
        self._watches.append(watch)
        try:
            yield
        finally:
            self._watches.remove(watch)

    async def run(self) -> None:
        """Ask until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            if (wait_s := self.beat.quiet - self._quiet_for(clock())) > 0:
                await asyncio.sleep(wait_s)
            elif await self._answers():
                self._heard(clock())
            else:
                self._cut()
                await asyncio.sleep(self.beat.quiet)

    def _following(self) -> "list[Watch[Any]]":
        """Those that list are left alone: a long list over a slow line takes longer than our patience."""
        return [one for one in self._watches if one.is_following]

    def _quiet_for(self, now: float) -> float:
        """For how long none of those that follow has heard anything; 0 without any."""
        return now - max((one.cache.contact for one in self._following()), default=now)

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(self.beat.patience):
                await self.client.raw("GET", _QUESTION)
        except ApiError:
            return True
        except (Unreachable, TimeoutError):
            return False
        return True

    def _heard(self, now: float) -> None:
        for one in self._following():
            if one.cache.health is Health.LIVE:
                one.cache.contact = now
            elif one.has_hung(self.beat.hung):
                one.cut(one.cache.error)  # in a connection that the others do without

    def _cut(self) -> None:
        for one in self._following():
            one.cut(f"no answer from {self.client.connection.host}")
