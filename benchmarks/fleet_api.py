"""Ten thousand VMs on a real kube-apiserver with etcd, and a process of its own that writes what controllers would."""

import asyncio
import json
import multiprocessing
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import aiohttp

from benchmarks.api import MERGE, PLACE, VMS, fill, signed_in
from hypersdk.model.base import JsonObject
from tests.controlplane.api import Api, RealApi
from tests.controlplane.build import binaries
from tests.controlplane.server import ControlPlane

RUNNING: Final = 40
"""The first ones run, and fill a screen."""
CADENCE_S: Final = 15.0
"""How often a controller writes what a busy VM uses, as it is by default."""
TURN_S: Final = 0.002


@dataclass(frozen=True)
class Write:
    """A status to write: of which VM, and what is merged into it."""

    number: int
    status: JsonObject


Plan = Callable[[int], Write]
"""What is written at turn 0, 1, 2, …"""


@contextmanager
def full_server() -> Iterator[RealApi]:
    """The server with all VMs in it, of which the first ones run."""
    with tempfile.TemporaryDirectory(prefix="hb") as folder:
        server = ControlPlane(Path(folder), binaries(os.environ))
        try:
            server.start()
            asyncio.run(_filled(server.api))
            yield server.api
        finally:
            server.stop()


async def _filled(api: Api) -> None:
    async with signed_in(api) as session:
        await fill(session)
        for number in range(RUNNING):
            await _put(session, in_use(number))


def in_use(number: int) -> Write:
    """A running VM that uses something else than before."""
    usage: JsonObject = {
        "cpu": {"usage": f"{random.randrange(100)}%", "requests": 2},
        "memory": {"usage": f"{random.randrange(100, 4000)}Mi", "requests": "4Gi"},
    }
    address = f"10.0.{number // 250}.{number % 250 + 1}"
    return Write(number, {"phase": "Running", "nodeName": "node-1", "ipAddresses": [address], "resources": usage})


def on_node(number: int, node: str) -> Write:
    """A VM that is placed."""
    return Write(number, {"nodeName": node})


def whole_fleet(turn: int) -> Write:
    """Any VM, and at each tenth turn one on the screen."""
    number = turn // 10 % RUNNING if turn % 10 == 0 else RUNNING + turn * 7 % (VMS - RUNNING)
    return in_use(number)


def all_running(turn: int) -> Write:
    """The running ones in turn."""
    return in_use(turn % RUNNING)


@contextmanager
def writer(api: Api, plan: Plan | None = None, rate: float = 1.0) -> Iterator[Callable[[Write], None]]:
    """Writes by the plan, so many a second, and at once what it is asked for, in a process of its own."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_write, args=(api, theirs, plan, rate))
    process.start()
    try:
        assert ours.recv() == "ready"
        yield ours.send
    finally:
        ours.send(None)
        process.join()
        ours.close()


def _write(api: Api, asked: Connection, plan: Plan | None, rate: float) -> None:
    asyncio.run(_writing(api, asked, plan, rate))


async def _writing(api: Api, asked: Connection, plan: Plan | None, rate: float) -> None:
    async with signed_in(api) as session:
        await _put(session, on_node(VMS - 1, "node-9"))
        asked.send("ready")
        due, turns = time.monotonic(), count()
        while True:
            while asked.poll():
                if (write := asked.recv()) is None:
                    return
                await _put(session, write)
            if plan is not None and time.monotonic() >= due:
                due += 1 / rate
                await _put(session, plan(next(turns)))
            await asyncio.sleep(TURN_S)


async def _put(session: aiohttp.ClientSession, write: Write) -> None:
    data = json.dumps({"status": write.status})
    async with session.patch(f"{PLACE}/vm-{write.number:05}/status", data=data, headers=MERGE) as response:
        response.raise_for_status()
