"""What of a console's bytes is old and what is live: only live queries of a guest may be answered."""

import asyncio

from hypersdk.kube.streams import ConsoleState
from tests.tui.scripted import ScriptedSession
from tui.attachment import Attachment


async def test_the_announced_history_is_not_live_and_what_follows_is() -> None:
    session = ScriptedSession()
    for said in (ConsoleState(connected=True, history=6).model_dump_json(by_alias=True), b"old", b"oldnew", b"new"):
        session.link.heard.put_nowait(said)
    old, new = bytearray(), bytearray()
    came = asyncio.Event()

    async def show(data: bytes, is_live: bool) -> None:
        (new if is_live else old).extend(data)
        if bytes(new) == b"newnew":
            came.set()

    attachment = Attachment(session, ("default", "vm"), show, lambda problem, state: None, lambda: None)
    running = asyncio.create_task(attachment.run())
    await came.wait()
    running.cancel()
    await asyncio.wait({running})
    assert bytes(old) == b"oldold"
