"""What VMs use: rates from counters, one call for all, a stream of samples."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import cast

import pytest

from controller.gateway.rates import sample
from controller.gateway.sampler import FORGET_AFTER_S, KEEP, Sampler
from controller.gateway.samples import Samples
from controller.hypervisor.readings import DomainStats, Pulse
from hypersdk.kube.streams import metrics, samples
from hypersdk.model.metrics import Sample
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


def _sampler(host: ScriptedHost, clock: Clock, keep: int = KEEP) -> Sampler:
    return Sampler(host, keep=keep, clock=clock, wall=clock)


def _pulse(**counters: int) -> Pulse:
    return replace(Pulse(cpu_time_ns=1_000_000_000, resident_bytes=300), **counters)


async def test_quarter_of_an_hour_is_kept_at_a_second_and_qemu_is_asked_every_fifteenth() -> None:
    clock, host = Clock(), ScriptedHost()
    sampler = _sampler(host, clock)
    host.counters[UUID] = BEFORE
    for second in range(1000):
        clock.now = second
        host.kernel[UUID] = _pulse(cpu_time_ns=second * 500_000_000, disk_write_bytes=second * 7)
        await sampler.tick()
    samples = sampler.history(UUID)
    assert [one.time for one in samples] == list(range(100, 1000))
    assert {(one.cpu_percent, one.disk_write_bytes_per_second) for one in samples} == {(25.0, 7.0)}
    assert {(one.memory_used_bytes, one.memory_total_bytes) for one in samples} == {(300, 512)}
    assert host.counted == [None] * 67


async def test_what_the_guest_says_of_its_memory_is_kept_between_two_readings() -> None:
    clock, host = Clock(), ScriptedHost()
    sampler = _sampler(host, clock)
    host.counters[UUID], host.kernel[UUID] = replace(BEFORE, memory_is_guests=True), _pulse()
    for clock.now in (0, 1):
        await sampler.tick()
    assert [one.memory_used_bytes for one in sampler.history(UUID)] == [100, 100]


async def test_vm_that_is_watched_is_measured_by_qemu_every_second() -> None:
    clock, host = Clock(), ScriptedHost()
    sampler = _sampler(host, clock)
    host.counters |= {UUID: BEFORE, "other": BEFORE}
    host.kernel |= {UUID: _pulse(disk_read_bytes=10**9), "other": _pulse()}
    await sampler.tick()
    stream = sampler.subscribe(UUID)
    assert (await anext(stream)).time == 0
    for second in (1, 2):
        clock.now = second
        host.counters[UUID] = replace(BEFORE, disk_read_bytes=1000 + 50 * second)
        await sampler.tick()
        assert (await anext(stream)).disk_read_bytes_per_second == 50
    await stream.aclose()
    clock.now = 3
    await sampler.tick()
    assert host.counted == [None, {UUID}, {UUID}]
    assert [one.time for one in sampler.history("other")] == [0, 1, 2, 3]


async def test_vm_that_comes_is_found_before_the_next_count_is_due() -> None:
    clock, host = Clock(), ScriptedHost()
    sampler = _sampler(host, clock)
    for clock.now in range(5):
        await sampler.tick()
        sampler.moved()
    assert [clock.now, len(host.counted)] == [4, 2]


async def test_vm_that_is_long_off_is_forgotten() -> None:
    clock, host = Clock(), ScriptedHost()
    sampler = _sampler(host, clock)
    host.counters[UUID] = BEFORE
    await sampler.tick()
    host.counters.clear()
    clock.now = FORGET_AFTER_S + 1
    await sampler.tick()
    assert sampler.history(UUID) == []
    assert sampler.latest(UUID) is None
    assert sampler.counters(UUID) is None


async def test_kernel_goes_on_telling_while_libvirtd_is_away() -> None:
    clock, host = Clock(), ScriptedHost()
    sampler = _sampler(host, clock)
    host.counters[UUID], host.kernel[UUID] = BEFORE, _pulse()
    await sampler.tick()
    host.down = True
    for clock.now in (20, 21):
        host.kernel[UUID] = _pulse(cpu_time_ns=int(clock.now * 1_000_000_000))
        await sampler.tick()
    latest = sampler.latest(UUID)
    assert latest is not None
    assert (latest.time, latest.cpu_percent) == (21, 50.0)
    assert sampler.counters(UUID) == BEFORE


async def test_somebody_who_looks_waits_for_no_tick() -> None:
    host = ScriptedHost()
    sampler = Sampler(host, interval_s=3600)
    async with background(sampler.run), asyncio.timeout(20), aclosing(sampler.subscribe(UUID)) as stream:
        host.counters[UUID] = BEFORE
        assert (await anext(stream)).memory_used_bytes == 100


async def test_metrics_are_answered_at_once_and_streamed(lab: Lab) -> None:
    client = lab.client()
    lab.host.counters[UUID] = BEFORE
    await lab.sampler.tick()
    answered = await metrics(client, "default", "vm")
    assert [one.cpu_percent for one in answered.samples] == [0]
    assert answered.interval_seconds == 1
    stream = samples(client, "default", "vm")
    assert (await anext(stream)).memory_used_bytes == 100
    lab.clock.now = 2
    lab.host.counters[UUID] = replace(BEFORE, cpu_time_ns=12_000_000_000)
    await lab.sampler.tick()
    assert (await anext(stream)).cpu_percent == 50
    await cast("AsyncGenerator[Sample, None]", stream).aclose()


def test_samples_take_little_room() -> None:
    kept = Samples(KEEP)
    for number in range(KEEP + 5):
        kept.add(Sample(time=number, memory_used_bytes=number << 20))
    assert (len(kept), kept.count) == (KEEP, KEEP + 5)
    assert kept.last(1) == [Sample(time=KEEP + 4, memory_used_bytes=(KEEP + 4) << 20)]
    assert kept.last(10**6)[0].time == 5
    assert kept.room_bytes < 80 * KEEP
