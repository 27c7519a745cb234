"""Runs shell lines in a Linux guest, by its agent; what a test says to a guest and hears of it."""

import asyncio
import base64
import json
from dataclasses import dataclass
from typing import Any

import libvirt
import libvirt_qemu

WITHIN_S = 30.0
_AGENT_S = 10


@dataclass(frozen=True)
class InGuest:
    """The inside of one guest."""

    uri: str
    uuid: str

    async def run(self, line: str) -> str:
        """What the line prints; it must succeed."""
        return await asyncio.to_thread(self._run, line)

    def _run(self, line: str) -> str:
        connection = libvirt.open(self.uri)
        try:
            domain = connection.lookupByUUIDString(self.uuid)
            started = self._ask(domain, "guest-exec", path="/bin/sh", arg=["-c", line], **{"capture-output": True})
            ended: dict[str, Any] = {"exited": False}
            while not ended["exited"]:  # each question takes the agent's own time
                ended = self._ask(domain, "guest-exec-status", pid=started["pid"])
        finally:
            connection.close()
        output, errors = (base64.b64decode(ended.get(key, "")).decode() for key in ("out-data", "err-data"))
        assert ended.get("exitcode") == 0, f"{line}: {ended} {output} {errors}"
        return output

    def _ask(self, domain: libvirt.virDomain, command: str, **arguments: Any) -> Any:
        asked = json.dumps({"execute": command, "arguments": arguments})
        return json.loads(libvirt_qemu.qemuAgentCommand(domain, asked, _AGENT_S, 0))["return"]
