"""Runs shell lines in a Linux guest, by its agent; what a test says to a guest and hears of it."""

import asyncio
import base64
import json
import time
from dataclasses import dataclass
from typing import Any

import libvirt
import libvirt_qemu

WITHIN_S = 90.0
_AGENT_S = 10
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.01, 0.5
"""Between questions: each takes of the guest, and of the host, what it needs to come to the answer."""


@dataclass(frozen=True)
class InGuest:
    """The inside of one guest."""

    uri: str
    uuid: str
    within_s: float = WITHIN_S
    """A guest that boots or comes back hears nothing for a while."""

    async def run(self, line: str) -> str:
        """What the line prints; it must succeed."""
        return await asyncio.to_thread(self._run, line)

    def _run(self, line: str) -> str:
        connection = libvirt.open(self.uri)
        try:
            domain = connection.lookupByUUIDString(self.uuid)
            words = {"path": "/bin/sh", "arg": ["-c", line], "capture-output": True}
            pid = self._heard(domain, "", "guest-exec", words)["pid"]
            ended = self._heard(domain, "exited", "guest-exec-status", {"pid": pid})
        finally:
            connection.close()
        output, errors = (base64.b64decode(ended.get(key, "")).decode() for key in ("out-data", "err-data"))
        assert ended.get("exitcode") == 0, f"{line}: {ended} {output} {errors}"
        return output

    def _heard(self, domain: libvirt.virDomain, told: str, command: str, arguments: dict[str, Any]) -> Any:
        """The agent's answer, once it gives one that is true of what shall be told."""
        asked = json.dumps({"execute": command, "arguments": arguments})
        deadline, pause_s = time.monotonic() + self.within_s, _FIRST_PAUSE_S
        while True:
            try:
                answer = json.loads(libvirt_qemu.qemuAgentCommand(domain, asked, _AGENT_S, 0))["return"]
                if not told or answer[told]:
                    return answer
            except libvirt.libvirtError:
                if time.monotonic() > deadline:
                    raise
            assert time.monotonic() < deadline, f"{asked} is not over after {self.within_s:.0f} s"
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
