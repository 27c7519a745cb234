"""Who was at which VM's console or ports, from where, how long, and who took the keyboard from whom?"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from controller.gateway.access import Caller, Wish
from controller.telemetry.figures import REFUSALS, TAKE_OVERS
from hypersdk.model.base import JsonObject
from hypersdk.plaintext import plain

LOGGER: Final = "hypersdk.audit"
LONGEST_PEER: Final = 200
_log = logging.getLogger(LOGGER)


@dataclass(frozen=True)
class Visit:
    """Somebody at a VM."""

    caller: Caller
    wish: Wish
    peer: str
    """Where the caller connects from, as the API server tells it."""
    device: str = ""
    mode: str = ""

    def facts(self) -> JsonObject:
        """What every line about it says."""
        facts: JsonObject = {
            "user": self.caller.user,
            "groups": list(self.caller.groups),
            "vm": f"{self.wish.namespace}/{self.wish.name}",
            "subresource": self.wish.subresource,
            "verb": self.wish.verb,
            "peer": plain(self.peer[:LONGEST_PEER]),
        }
        more: JsonObject = {"device": self.device, "mode": self.mode}
        return facts | {name: value for name, value in more.items() if value}


@contextmanager
def session(
    visit: Visit, transferred: Callable[[], tuple[int, int]], clock: Callable[[], float] = time.monotonic
) -> Iterator[None]:
    """Say that it starts, and that it is over; `transferred` tells the bytes to and from the caller."""
    began = clock()
    record("start", visit)
    try:
        yield
    finally:
        sent, received = transferred()
        over: JsonObject = {"seconds": round(clock() - began, 3), "bytesSent": sent, "bytesReceived": received}
        record("stop", visit, over)


def record(event: str, visit: Visit, more: JsonObject | None = None) -> None:
    """Write one line: `start`, `stop`, `take-over`, `refused`, `read`."""
    if event == "refused":
        REFUSALS.labels(visit.wish.subresource).inc()
    facts: JsonObject = {"audit": f"{visit.wish.subresource}.{event}", **visit.facts(), **(more or {})}
    words = " ".join(f"{name}={_word(value)}" for name, value in facts.items())
    _log.info("%s", words, extra={"facts": facts})


def take_over(visit: Visit, how: str, before: str) -> None:
    """The keyboard is this visitor's now: `given`, after `no answer`, as the writer `left`, or the caller's `own`."""
    TAKE_OVERS.labels(how).inc()
    record("take-over", visit, {"how": how, "from": before})


def _word(value: object) -> str:
    text = plain(",".join(map(str, value)) if isinstance(value, list) else str(value))
    return repr(text) if " " in text or not text else text
