"""The stack's second part: the embedded API, at the same address every time as far as that can be had."""

import socket
import sys
from urllib.parse import urlsplit

from hyperctl.stack.part import Part
from hyperctl.stack.talk import Tell
from hypersdk.errors import HyperSDKError
from hypersdk.settings import Places

_START_TIMEOUT_S = 60.0


def ensure(places: Places, port: int, tell: Tell) -> str:
    """The address of the running API, started if it does not run."""
    part = Part.of(places, "api")
    before = part.fact("url")
    if process := part.process:
        _check_same_port(before, port)
        tell(f"runs at {before} (pid {process.pid})")
        return before
    chosen = choose_port(port, urlsplit(before).port or 0)
    starting = part.start(_command(places, chosen))
    line = starting.await_ready(_START_TIMEOUT_S, tell)
    url = line.partition(" ")[2]
    part.note(starting.process, url=url)
    tell(f"ready at {url}")
    return url


def choose_port(wanted: int, before: int) -> int:
    """The wanted port, else the one of the last time, else 0 for any; HyperSDKError when the wanted one is taken."""
    if wanted and not _is_free(wanted):
        raise HyperSDKError(
            f"port {wanted} is in use on 127.0.0.1: choose another one with --port, or leave --port out and one is "
            f"found ('ss -ltnp sport = :{wanted}' shows who has it)"
        )
    return wanted or (before if before and _is_free(before) else 0)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _check_same_port(url: str, port: int) -> None:
    if port and urlsplit(url).port != port:
        raise HyperSDKError(f"the API runs at {url} already: 'hyperctl down' first, then choose a port")


def _command(places: Places, port: int) -> list[str]:
    return [
        *(sys.executable, "-P", "-m", "apiserver.main"),
        *("--state", str(places.api), "--port", str(port)),
        *("--kubeconfig", str(places.kubeconfig), "--gateway", str(places.gateway)),
    ]
