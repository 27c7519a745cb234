"""A line of shell in a guest, by its agent: what a test writes into a guest, and reads there."""

import asyncio
import base64
import json

from hyperctl.stack.virsh import virsh
from hypersdk.model.base import JsonObject

WITHIN_S = 90.0


async def shell(uri: str, uid: str, line: str, within: float = WITHIN_S) -> str:
    """What the line prints; an assertion with what it says where it fails."""
    command: JsonObject = {"path": "/bin/sh", "arg": ["-c", line], "capture-output": True}
    started = await _ask(uri, uid, {"execute": "guest-exec", "arguments": command})
    status: JsonObject = {"execute": "guest-exec-status", "arguments": {"pid": started["pid"]}}
    async with asyncio.timeout(within):
        while not (done := await _ask(uri, uid, status))["exited"]:
            pass  # each question takes a process and a look into the guest
    said = "".join(base64.b64decode(str(done.get(part, ""))).decode() for part in ("out-data", "err-data"))
    assert done["exitcode"] == 0, said
    return said.strip()


async def _ask(uri: str, uid: str, question: JsonObject) -> JsonObject:
    said = await asyncio.to_thread(virsh, uri, "qemu-agent-command", uid, json.dumps(question), "--timeout", "20")
    answer = json.loads(said)["return"]
    assert isinstance(answer, dict)
    return answer
