"""Both servers are sent the same random requests, and have to say the same; docs/api-differences.md has the exceptions.

`make soak` sends many more than `make test`, other ones each time. HYPERSDK_SEED repeats a run.
"""

import asyncio
import os
import random
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from pydantic import JsonValue

from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import VIRTUAL_MACHINES
from tests.api.builders import at, virtual_machine
from tests.api.comparing import Side, differences, event, is_echo
from tests.api.http import Http, Stream, http
from tests.api.meant import PAGE, page
from tests.api.steps import Step, Steps
from tests.controlplane.api import Api, RealApi

STEPS = int(os.environ.get("HYPERSDK_STEPS", "1500"))
SEED = int(os.environ.get("HYPERSDK_SEED", "0")) or (random.randrange(1, 10**6) if STEPS > 1500 else 7)
END = "the-end"
WATCHES: tuple[Mapping[str, str], ...] = (
    {},
    {"labelSelector": "app in (web,the-end)"},
    {"fieldSelector": "status.phase!=Running"},
)


async def _until_the_end(stream: Stream, *, may_echo: bool) -> list[JsonValue]:
    """Every event up to the last object's; without new versions of the same, where those are meant."""
    seen: list[JsonValue] = []
    newest: dict[JsonValue, JsonObject] = {}
    while True:
        line = await stream.event(seconds=600)
        name = at(line, "object", "metadata", "name")
        if name == END:
            return seen
        if not (may_echo and name in newest and is_echo(line, newest[name])):
            seen.append(event(line))
        newest[name] = line


@asynccontextmanager
async def _watched(
    request: Http, namespace: str, *, may_echo: bool = False
) -> AsyncIterator[list[asyncio.Task[list[JsonValue]]]]:
    """What each of the watches hears while the block runs."""
    path = VIRTUAL_MACHINES.path(namespace)
    listed = await request("GET", path)
    version = str(listed.at("metadata", "resourceVersion"))
    async with asyncio.TaskGroup() as group, AsyncExitStack() as streams:
        opened = [await streams.enter_async_context(request.watch(path, resourceVersion=version, **q)) for q in WATCHES]
        yield [group.create_task(_until_the_end(stream, may_echo=may_echo)) for stream in opened]


async def _compare(ours: Side, kubes: Side, step: Step, number: int) -> None:
    answers = await asyncio.gather(ours.take(step), kubes.take(step))
    apart = differences(*answers)
    if apart:
        pytest.fail(f"HYPERSDK_SEED={SEED}, step {number}: {step}\n" + "\n".join(apart))


@pytest.mark.timeout(60 + STEPS)
async def test_the_same_requests_have_the_same_answers(embedded_api: Api, real_api: RealApi) -> None:
    namespace = f"d-{uuid.uuid4().hex[:8]}"
    for api in (embedded_api, real_api):
        api.make_namespace(namespace)
    steps = Steps(SEED, namespace)
    async with (
        http(embedded_api) as to_ours,
        http(real_api) as to_kubes,
        _watched(to_ours, namespace) as ours_heard,
        _watched(to_kubes, namespace, may_echo=True) as kubes_heard,
    ):
        ours, kubes = Side(to_ours), Side(to_kubes)
        for number in range(STEPS):
            await _compare(ours, kubes, steps(), number)
        last: JsonObject = virtual_machine(END, labels={"app": END})
        for request in (to_ours, to_kubes):
            assert (await request("POST", VIRTUAL_MACHINES.path(namespace), body=last)).code == 201
        for one, other, query in zip(ours_heard, kubes_heard, WATCHES, strict=True):
            assert await one == await other, f"HYPERSDK_SEED={SEED}: the watch {query}"


LABELS = (
    *("a in (", "a in (x", "a in (x,", "a in ()", "a in x", "a notin", "a=b=c", "a==", "=b", "!", "a,", "a b", ","),
    *(
        "a in (x) b",
        "a>1",
        "a<x",
        "a>x",
        "!a=b",
        "a!",
        "a in (x y)",
        "(a)",
        "a=(b)",
        "-a",
        "a=-b",
        "a/b/c=d",
        "/a",
        "a/",
    ),
    *("x" * 64, "a=" + "x" * 64, "a in (b,c),!d", "ü=b", "a=ü", "a.b=c", "A_b=c", "a in (,)", "a in (x,,y)"),
)
FIELDS = (
    *("a", "metadata.name", "metadata.name=", "metadata.name==a", "metadata.name=a,metadata.name=b", "metadata.uid=x"),
    *("status.phase in (a)", "status.phase=a\\,b", "status.phase=a\\x", "status.phase=a\\", "status.phase=a=b", ","),
    *("status.phase>1", "metadata.name=web,", "x=y,status.phase=z", "metadata.namespace=x", "spec.running=true"),
)
QUERIES: tuple[Mapping[str, str], ...] = (
    *({"labelSelector": one} for one in LABELS),
    *({"fieldSelector": one} for one in FIELDS),
    *({"limit": one} for one in ("-1", "x", "9" * 20)),
    *({"resourceVersion": one} for one in ("-1", "x", "1x")),
    *({"timeoutSeconds": one} for one in ("x", "9" * 20)),
    *({"continue": one} for one in ("x", "abc", "{}")),
    *({"resourceVersionMatch": one} for one in ("Exact", "NotOlderThan", "Other")),
    *({"resourceVersion": "0", "resourceVersionMatch": one} for one in ("Exact", "NotOlderThan", "Other")),
    {"resourceVersion": "99999999", "resourceVersionMatch": "Exact"},
    {"sendInitialEvents": "true"},
    {"watch": "0"},
    {"watch": "false"},
    {"watch": "1", "resourceVersion": "x"},
    {"watch": "1", "timeoutSeconds": "x"},
    {"watch": "1", "labelSelector": "a in ("},
    {"watch": "1", "fieldSelector": "foo=bar"},
    {"watch": "1", "sendInitialEvents": "true"},
    {"watch": "1", "sendInitialEvents": "true", "resourceVersionMatch": "Exact"},
    {"watch": "1", "resourceVersionMatch": "NotOlderThan"},
)


async def test_odd_queries_have_the_same_answers(embedded_api: Api, real_api: RealApi) -> None:
    namespace = f"q-{uuid.uuid4().hex[:8]}"
    for api in (embedded_api, real_api):
        api.make_namespace(namespace)
    async with http(embedded_api) as to_ours, http(real_api) as to_kubes:
        ours, kubes = Side(to_ours), Side(to_kubes)
        for number, query in enumerate(QUERIES):
            await _compare(ours, kubes, Step("GET", VIRTUAL_MACHINES.path(namespace), query=query), number)


def test_the_page_has_the_table() -> None:
    assert page() == PAGE.read_text(), "run 'python -m tests.api.meant'"
