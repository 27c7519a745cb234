"""Why did a connection fail? In few words for a person: no class names, no addresses that stand there already."""

import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import aiohttp

    Failure = aiohttp.ClientError | TimeoutError | OSError


def cause(error: "Failure") -> str:
    """Such as `connection refused`, `timed out`, `it was closed`."""
    import aiohttp

    match error:
        case TimeoutError():
            return "timed out"
        case aiohttp.ClientPayloadError() | aiohttp.ServerDisconnectedError():
            return "it was closed"
        case aiohttp.ClientSSLError():
            return str(error)
        case aiohttp.ClientConnectorError():
            return _of_system(error.os_error)
        case _:
            return str(error) or type(error).__name__


def _of_system(error: OSError) -> str:
    if isinstance(error, socket.gaierror) or not error.errno:
        return (error.strerror or str(error)).lower()
    return os.strerror(error.errno).lower()
