"""The console on a fleet that never rests, with a pulse: `PULSE=FD python -m tests.tui.busy_program`.

Every figure of every VM changes ten times a second. As long as nothing holds the event loop up, a line for each round
comes out of the file descriptor: its number, and the longest gap between two so far in seconds.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from time import monotonic
from typing import TypeVar

from hypersdk.kube.cache import Cache
from hypersdk.model.base import Resource
from hypersdk.model.kinds import VIRTUAL_MACHINES, Kind
from hypersdk.model.virtualmachine import VirtualMachine
from tests.tui.builders import vm
from tests.tui.scripted import ScriptedSession
from tui import main
from tui.options import Options
from tui.session import Session

R = TypeVar("R", bound=Resource)
ROUND_S = 0.1
SIZE = 40


def machines(round_: int) -> list[VirtualMachine]:
    """The VMs in a round; the first one's node is the number of the round."""
    return [_machine(at, round_) for at in range(SIZE)]


def _machine(at: int, round_: int) -> VirtualMachine:
    usage = {"cpu": {"usage": f"{(7 * round_ + 13 * at) % 100}%"}, "memory": {"usage": f"{(round_ + at) % 997}Mi"}}
    node = f"node-{(round_ + at) % 9}" if at else f"round-{round_}"
    return vm(f"vm-{at:02}", nodeName=node, resources=usage)


@dataclass
class BusySession(ScriptedSession):
    """A session whose VMs all change, for ever."""

    pulse: int = field(default_factory=lambda: int(os.environ["PULSE"]))

    async def watch(self, kind: Kind[R], cache: Cache[R], namespace: str, fields: str = "") -> None:
        """Fill the cache again and again."""
        if kind.plural != VIRTUAL_MACHINES.plural:
            await super().watch(kind, cache, namespace, fields)
        cache.live(asyncio.get_running_loop().time())
        longest, before = 0.0, monotonic()
        for round_ in count(1):
            cache.put(machines(round_))  # type: ignore[arg-type]  # the cache of this kind
            await asyncio.sleep(ROUND_S)
            now = monotonic()
            longest, before = max(longest, now - before), now
            os.write(self.pulse, f"{round_} {longest:.3f}\n".encode())


async def connect(options: Options, environ: Mapping[str, str], context: str = "") -> Session:
    """The fleet that never rests."""
    return BusySession()


if __name__ == "__main__":
    main.connect = connect
    sys.exit(main.main())
