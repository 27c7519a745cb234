"""Measured resources for the status: seldom, and only when they moved. Pure."""

from hypersdk.model.metrics import Sample
from hypersdk.model.quantity import human_bytes
from hypersdk.model.virtualmachine import CpuUsage, MemoryUsage, ResourceUsage, VirtualMachineSpec

CPU_POINTS = 5.0
MEMORY_SHARE = 0.05


def moved(before: Sample | None, now: Sample) -> bool:
    """Whether a person would call it another figure: a quiet fleet must not write all day."""
    if before is None:
        return True
    by = abs(now.memory_used_bytes - before.memory_used_bytes)
    return abs(now.cpu_percent - before.cpu_percent) >= CPU_POINTS or by > MEMORY_SHARE * before.memory_used_bytes


def is_due(last: float, now: float, every_s: float) -> bool:
    """Whether the last write is long enough ago."""
    return now - last >= every_s


def resources(spec: VirtualMachineSpec, sample: Sample | None) -> ResourceUsage:
    """The requests, with the usage where there is a measurement."""
    cpu = f"{sample.cpu_percent:.0f}%" if sample else None
    memory = human_bytes(sample.memory_used_bytes) if sample else None
    return ResourceUsage(
        cpu=CpuUsage(usage=cpu, requests=spec.cpus), memory=MemoryUsage(usage=memory, requests=spec.memory)
    )
