"""`hyperctl status`: which parts run, where, and whether they are well; each one is really asked."""

import argparse
import asyncio
import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from hyperctl.stack.libvirtd import answers
from hyperctl.stack.part import NAMES, Part
from hyperctl.stack.process import Process
from hypersdk.errors import HyperSDKError
from hypersdk.settings import Places, places

_ASK_TIMEOUT_S = 10.0
_HEARTBEAT_LIMIT_S = 90.0


@dataclass(frozen=True)
class Health:
    """How one part is."""

    name: str
    pid: int
    """0 when it does not run, or is not ours."""
    age_seconds: int
    healthy: bool
    address: str
    detail: str
    log: str


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run `hyperctl status`; the exit code is 0 only when every part is well."""
    parser = argparse.ArgumentParser(prog="hyperctl status", description="Shows the parts of the local stack.")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    options = parser.parse_args(arguments)
    here = places(environ)
    found = [_ASK[name](here) for name in NAMES]
    print(as_json(here, found) if options.output == "json" else as_table(found))
    return 0 if all(one.healthy for one in found) else 1


def as_json(here: Places, found: Sequence[Health]) -> str:
    """All of it, for programs."""
    parts = [
        {"ageSeconds" if key == "age_seconds" else key: value for key, value in asdict(one).items()} for one in found
    ]
    return json.dumps({"state": str(here.state), "kubeconfig": str(here.kubeconfig), "parts": parts}, indent=2)


def as_table(found: Sequence[Health]) -> str:
    """One line a part, for people."""
    head = ("PART", "PID", "AGE", "HEALTH", "ADDRESS", "DETAIL")
    rows = [head, *(_row(one) for one in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head) - 1)]
    lines = [
        "   ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def _row(one: Health) -> tuple[str, ...]:
    health = "ok" if one.healthy else "down" if not one.pid else "bad"
    return (
        one.name,
        str(one.pid or "-"),
        short_age(one.age_seconds) if one.pid else "-",
        health,
        one.address,
        one.detail,
    )


def short_age(seconds: int) -> str:
    """An age as kubectl writes it, in its largest unit."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _libvirt(here: Places) -> Health:
    part = Part.of(here, "libvirt")
    uri = part.fact("uri")
    if not uri:
        return _health(part, None, "", "never started")
    well = answers(uri, _ASK_TIMEOUT_S)
    return _health(part, part.process, uri, "answers" if well else "does not answer", well)


def _api(here: Places) -> Health:
    part = Part.of(here, "api")
    url, process = part.fact("url"), part.process
    if process is None:
        return _health(part, None, url, "does not run")
    try:
        asyncio.run(_readyz(here))
    except HyperSDKError as error:
        return _health(part, process, url, f"/readyz: {error}")
    return _health(part, process, url, "/readyz: ok", True)


def _controller(here: Places) -> Health:
    part = Part.of(here, "controller")
    process, node = part.process, part.fact("node")
    if process is None:
        return _health(part, None, str(here.gateway), "does not run")
    try:
        trouble = asyncio.run(_node_trouble(here, node)) or _gateway_trouble(here)
    except HyperSDKError as error:
        trouble = str(error)
    return _health(part, process, str(here.gateway), trouble or f"node {node} is Ready", not trouble)


def _health(part: Part, process: Process | None, address: str, detail: str, healthy: bool = False) -> Health:
    pid, age = (process.pid, int(process.age_s())) if process else (0, 0)
    return Health(part.name, pid, age, healthy, address, detail, str(part.log))


async def _readyz(here: Places) -> None:
    from hyperctl.stack.example import client

    async with client(here.kubeconfig) as api:
        await api.raw("GET", "/readyz")


async def _node_trouble(here: Places, name: str) -> str:
    from hyperctl.stack.example import client
    from hypersdk.model.base import condition
    from hypersdk.model.kinds import VM_NODES

    async with client(here.kubeconfig) as api:
        node = await api.get(VM_NODES, "", name)
    ready, beat = condition(node.status.conditions, "Ready"), node.status.last_heartbeat_time
    if ready is None or ready.status != "True":
        return f"node {name} is not Ready: {ready.message if ready else 'it says nothing'}"
    age = (datetime.now(UTC) - beat).total_seconds() if beat else 0.0
    return f"node {name} was last heard of {age:.0f} s ago" if age > _HEARTBEAT_LIMIT_S else ""


def _gateway_trouble(here: Places) -> str:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_ASK_TIMEOUT_S)
        try:
            probe.connect(str(here.gateway))
        except OSError as error:
            return f"the gateway's socket does not answer: {error.strerror or error}"
    return ""


_ASK = {"libvirt": _libvirt, "api": _api, "controller": _controller}
