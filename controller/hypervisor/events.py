"""What happens to the host's domains? libvirt's events, as wake-up calls for any number of listeners."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import libvirt

from controller.hypervisor.port import DomainEvent

_LISTENER_ROOM = 1000

_KINDS = {
    libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE: "lifecycle",
    libvirt.VIR_DOMAIN_EVENT_ID_REBOOT: "reboot",
    libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE: "agent",
    libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON: "io-error",
    libvirt.VIR_DOMAIN_EVENT_ID_WATCHDOG: "watchdog",
    libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2: "block-job",
}


class EventBus:
    """Hands each event to every listener; one that falls behind gets a single "look at everything" instead."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queues: set[asyncio.Queue[DomainEvent | None]] = set()

    def publish(self, event: DomainEvent | None) -> None:
        """Wake the listeners; None ends them."""
        for queue in self._queues:
            if queue.full():
                _empty(queue)
                queue.put_nowait(DomainEvent(what="overflow"))
            queue.put_nowait(event)

    def publish_from_thread(self, event: DomainEvent) -> None:
        """The same from libvirt's event thread; nothing once the loop has ended."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.publish, event)

    def listen(self) -> AsyncIterator[DomainEvent]:
        """All events from now on."""
        queue: asyncio.Queue[DomainEvent | None] = asyncio.Queue(_LISTENER_ROOM)
        self._queues.add(queue)
        return self._drain(queue)

    async def _drain(self, queue: asyncio.Queue[DomainEvent | None]) -> AsyncIterator[DomainEvent]:
        try:
            while (event := await queue.get()) is not None:
                yield event
        finally:
            self._queues.discard(queue)


def register(connection: libvirt.virConnect, bus: EventBus) -> list[int]:
    """Have libvirt report to the bus, until `unregister` with the numbers returned; blocks."""
    return [
        connection.domainEventRegisterAny(None, number, _Report(bus, what), None) for number, what in _KINDS.items()
    ]


def unregister(connection: libvirt.virConnect, numbers: list[int]) -> None:
    """Stop that; without it libvirt keeps the connection after its close. Blocks."""
    for number in numbers:
        with suppress(libvirt.libvirtError):  # of a broken connection: libvirt has forgotten it on our side by then
            connection.domainEventDeregisterAny(number)


class _Report:
    """libvirt's callback of one kind of event; runs in the event thread, so it only passes on."""

    def __init__(self, bus: EventBus, what: str) -> None:
        self._bus = bus
        self._what = what

    def __call__(self, _connection: libvirt.virConnect, domain: libvirt.virDomain, *_details: object) -> None:
        self._bus.publish_from_thread(DomainEvent(domain.UUIDString(), self._what))


def _empty(queue: asyncio.Queue[DomainEvent | None]) -> None:
    while not queue.empty():
        queue.get_nowait()
