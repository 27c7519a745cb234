"""What VMs use: rates from counters, one call for all, a stream of samples."""

import asyncio
from dataclasses import replace

import pytest

from controller.gateway.rates import sample
from controller.gateway.sampler import FORGET_AFTER_S, Sampler
from controller.hypervisor.port import DomainStats
from hypersdk.kube.streams import metrics, samples
from tests.unit.gateway.loopback import Clock, Lab, background
from tests.unit.gateway.scripted import UUID, ScriptedHost

BEFORE = DomainStats(
    cpu_time_ns=10_000_000_000,
    vcpus=2,
    memory_total_bytes=512,
    memory_used_bytes=100,
    disk_read_bytes=1000,
    disk_write_bytes=2000,
    network_receive_bytes=3000,
    network_transmit_bytes=4000,
)
IDLE = {"cpu_percent": 0, "disk_read_bytes_per_second": 0, "network_transmit_bytes_per_second": 0}


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        pytest.param(BEFORE, IDLE, id="idle"),
        pytest.param(replace(BEFORE, cpu_time_ns=12_000_000_000), {"cpu_percent": 50.0}, id="one of two vCPUs busy"),
        pytest.param(replace(BEFORE, cpu_time_ns=15_000_000_000), {"cpu_percent": 100.0}, id="QEMU's threads on top"),
        pytest.param(replace(BEFORE, cpu_time_ns=12_000_000_000, vcpus=4), {"cpu_percent": 25.0}, id="vCPUs added"),
        pytest.param(replace(BEFORE, disk_read_bytes=5000), {"disk_read_bytes_per_second": 2000.0}, id="reads"),
        pytest.param(replace(BEFORE, disk_write_bytes=2001), {"disk_write_bytes_per_second": 0.5}, id="writes"),
        pytest.param(replace(BEFORE, network_receive_bytes=4000), {"network_receive_bytes_per_second": 500}, id="in"),
        pytest.param(replace(BEFORE, network_transmit_bytes=4002), {"network_transmit_bytes_per_second": 1}, id="out"),
        pytest.param(DomainStats(cpu_time_ns=5, vcpus=1, disk_read_bytes=7), IDLE, id="started anew"),
        pytest.param(replace(BEFORE, memory_used_bytes=200), {"memory_used_bytes": 200}, id="memory"),
    ],
)
def test_rates(after: DomainStats, expected: dict[str, float]) -> None:
    measured = sample(100.0, after, BEFORE, 2.0)
    assert {name: getattr(measured, name) for name in expected} == expected


@pytest.mark.parametrize("before", [None, BEFORE])
def test_first_sample_has_no_rates(before: DomainStats | None) -> None:
    measured = sample(100.0, BEFORE, before, 0.0)
    assert (measured.time, measured.cpu_percent, measured.memory_total_bytes) == (100.0, 0.0, 512)


async def test_history_is_bounded() -> None:
    clock, host = Clock(), ScriptedHost()
    sampler = Sampler(host, keep=3, clock=clock, wall=clock)
    host.counters[UUID] = BEFORE
    for clock.now in (2, 4, 6, 8):
        await sampler.tick()
    assert [one.time for one in sampler.history(UUID)] == [4, 6, 8]
    latest = sampler.latest(UUID)
    assert latest is not None
    assert latest.time == 8
    assert sampler.latest("another") is None


async def test_vm_that_is_long_off_is_forgotten() -> None:
    clock, host = Clock(), ScriptedHost()
    sampler = Sampler(host, clock=clock, wall=clock)
    host.counters[UUID] = BEFORE
    await sampler.tick()
    host.counters.clear()
    clock.now = FORGET_AFTER_S + 1
    await sampler.tick()
    assert sampler.history(UUID) == []


async def test_host_that_cannot_be_asked_leaves_a_gap() -> None:
    clock, host = Clock(), ScriptedHost()
    sampler = Sampler(host, clock=clock, wall=clock)
    host.counters[UUID] = BEFORE
    await sampler.tick()
    host.down = True
    clock.now = 2
    await sampler.tick()
    host.down, clock.now = False, 4
    host.counters[UUID] = replace(BEFORE, disk_read_bytes=5000)
    await sampler.tick()
    assert [(one.time, one.disk_read_bytes_per_second) for one in sampler.history(UUID)] == [(0, 0), (4, 1000)]


async def test_nobody_looking_makes_it_slower() -> None:
    host = ScriptedHost()
    host.counters[UUID] = BEFORE
    sampler = Sampler(host, interval_s=0.01)
    assert sampler.interval_s == 10
    async with background(sampler.run), asyncio.timeout(5):
        stream = sampler.subscribe(UUID)
        for _ in range(4):
            await anext(stream)
        assert sampler.interval_s == 0.01
        await stream.aclose()
    assert sampler.interval_s == 10


async def test_metrics_are_answered_at_once_and_streamed(lab: Lab) -> None:
    client = lab.client()
    lab.host.counters[UUID] = BEFORE
    await lab.sampler.tick()
    lab.clock.now = 2
    lab.host.counters[UUID] = replace(BEFORE, cpu_time_ns=12_000_000_000)
    await lab.sampler.tick()
    answered = await metrics(client, "default", "vm")
    assert [one.cpu_percent for one in answered.samples] == [0, 50]
    assert answered.interval_seconds == 10
    stream = samples(client, "default", "vm")
    assert [(await anext(stream)).cpu_percent for _ in range(2)] == [0, 50]
    lab.clock.now = 4
    await lab.sampler.tick()
    assert (await anext(stream)).cpu_percent == 0
