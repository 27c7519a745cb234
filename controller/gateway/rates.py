"""What was measured between two readings of a domain's counters? Pure."""

from controller.hypervisor.readings import DomainStats
from hypersdk.model.metrics import Sample


def sample(now: float, stats: DomainStats, before: DomainStats | None, seconds: float) -> Sample:
    """One sample, its rates as means over the `seconds` since `before`; without one, they are 0.

    A counter that went back (the VM was started anew, a device was taken out) says nothing about this interval.
    """
    old = stats if before is None or seconds <= 0 else before

    def rate(new: int, last: int) -> float:
        return max(new - last, 0) / seconds if seconds > 0 else 0.0

    busy = rate(stats.cpu_time_ns, old.cpu_time_ns) / (1e9 * max(stats.vcpus, 1))
    return Sample(
        time=now,
        # QEMU's own threads count too, so that a busy VM can come out a little above all of its vCPUs.
        cpu_percent=round(min(busy * 100, 100.0), 2),
        memory_used_bytes=stats.memory_used_bytes,
        memory_total_bytes=stats.memory_total_bytes,
        disk_read_bytes_per_second=round(rate(stats.disk_read_bytes, old.disk_read_bytes), 1),
        disk_write_bytes_per_second=round(rate(stats.disk_write_bytes, old.disk_write_bytes), 1),
        network_receive_bytes_per_second=round(rate(stats.network_receive_bytes, old.network_receive_bytes), 1),
        network_transmit_bytes_per_second=round(rate(stats.network_transmit_bytes, old.network_transmit_bytes), 1),
    )
