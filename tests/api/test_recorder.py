"""Events as our recorder writes them: one object for the same words, with a count."""

import logging
from datetime import UTC, datetime

import pytest

from hypersdk.kube.client import Client
from hypersdk.kube.events import Recorder
from hypersdk.model.kinds import EVENTS, VIRTUAL_MACHINES
from hypersdk.model.virtualmachine import VirtualMachine
from tests.api.builders import virtual_machine

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


async def _vm(client: Client, namespace: str) -> VirtualMachine:
    return await client.create(VIRTUAL_MACHINES, namespace, virtual_machine("web"))


async def test_repeats_are_counted_on_one_event(client: Client, namespace: str) -> None:
    vm = await _vm(client, namespace)
    recorder = Recorder(client, "tests", "here", lambda: MOMENT)
    for _ in range(3):
        await recorder.record(vm, "Normal", "Started", "powered on")
    await recorder.record(vm, "Warning", "Started", "powered on, with a doubt")
    events = sorted(await client.list(EVENTS, namespace), key=lambda event: event.count or 0)
    assert [(event.type, event.count) for event in events] == [("Warning", 1), ("Normal", 3)]
    about = events[1].involved_object
    assert (about.kind, about.name, about.uid) == ("VirtualMachine", "web", vm.metadata.uid)
    assert events[1].first_timestamp == MOMENT


async def test_a_recorder_that_starts_anew_counts_again_without_an_error(
    client: Client, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    vm = await _vm(client, namespace)
    caplog.set_level(logging.WARNING)
    await Recorder(client, "tests", "here").record(vm, "Normal", "Started", "powered on")
    await Recorder(client, "tests", "here").record(vm, "Normal", "Started", "powered on")
    (event,) = await client.list(EVENTS, namespace)
    assert event.count == 2
    assert caplog.records == []


async def test_an_event_that_was_removed_is_made_again(client: Client, namespace: str) -> None:
    vm = await _vm(client, namespace)
    recorder = Recorder(client, "tests", "here")
    await recorder.record(vm, "Normal", "Started", "powered on")
    (event,) = await client.list(EVENTS, namespace)
    await client.delete(EVENTS, namespace, event.metadata.name)
    await recorder.record(vm, "Normal", "Started", "powered on")
    assert len(await client.list(EVENTS, namespace)) == 1


async def test_an_event_that_cannot_be_written_is_logged_and_lost(
    client: Client, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    vm = await _vm(client, namespace)
    stray = vm.but(metadata=vm.metadata.but(namespace="nowhere"))
    await Recorder(client, "tests", "here").record(stray, "Normal", "Started", "powered on")
    assert "Started" in caplog.text
