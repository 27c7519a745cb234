"""Who runs libvirt's events? libvirt's own loop, in one thread of the process, for any number of connections.

Not `libvirtaio`: it changes the asyncio loop's readers and timers from whatever thread made the libvirt call, which
asyncio does not allow, and it ties the process to one loop (docs/decisions/libvirt-event-thread.md).
"""

import logging
import threading

import libvirt

_log = logging.getLogger(__name__)
_lock = threading.Lock()
_thread: threading.Thread | None = None


def ensure_event_thread() -> None:
    """Start the thread, once; to be called before the first connection is opened."""
    global _thread
    with _lock:
        if _thread is not None:
            return
        # Else each error goes to stderr too, on top of the exception.
        libvirt.registerErrorHandler(_ignore, None)
        libvirt.virEventRegisterDefaultImpl()
        _thread = threading.Thread(target=_run, name="libvirt-events", daemon=True)
        _thread.start()


def _run() -> None:
    while True:
        try:
            libvirt.virEventRunDefaultImpl()
        except libvirt.libvirtError:
            _log.exception("libvirt's event loop stumbled")


def _ignore(_context: object, _error: object) -> None:
    pass
