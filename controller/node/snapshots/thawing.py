"""Sees to it that no guest stands still: one that is held by nobody any more is let go.

Taking a snapshot or a backup holds a guest's file systems for a fraction of a second. One that is found held twice,
some seconds apart, was held by somebody who has died since.
"""

import asyncio
import logging
from dataclasses import dataclass, field

from controller.hypervisor.layer_port import LayerHost
from controller.hypervisor.port import DomainState, Hypervisor
from hypersdk.errors import Terminal, Transient

log = logging.getLogger(__name__)
EVERY_S = 300.0
"""Whoever held a guest and has died was a controller: its successor looks as it starts, and this is for certainty."""
AGAIN_S = 3.0


@dataclass
class Thawing:
    """Looks at every running guest of ours that has an agent, from the controller's start on."""

    hypervisor: Hypervisor
    layers: LayerHost
    held: set[str] = field(default_factory=set)
    """Those that were found held at the last look."""

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            pause_s = EVERY_S
            try:
                await self.look()
            except (Transient, Terminal) as error:
                log.info("guests that may be frozen are looked for again: %s", error)
                pause_s = AGAIN_S
            await asyncio.sleep(AGAIN_S if self.held else pause_s)

    async def look(self) -> None:
        """One look; what was held at the last one too is let go."""
        found: set[str] = set()
        for domain in await self.hypervisor.domains():
            asked = domain.is_ours and domain.state is DomainState.RUNNING and domain.agent_connected
            if not asked or not await self.layers.is_frozen(domain.uuid):
                continue
            if domain.uuid in self.held:
                log.warning("domain %s: its file systems were held by nobody, and are let go", domain.name)
                await self.layers.thaw(domain.uuid)
            else:
                found.add(domain.uuid)
        self.held = found
