"""The live figures of a VM as they go over the metrics stream."""

from hypersdk.model.base import Model


class Sample(Model):
    """One measurement; rates are means since the sample before."""

    time: float
    """Seconds since the epoch."""
    cpu_percent: float = 0.0
    """Of all the VM's vCPUs: 100 is every vCPU busy."""
    memory_used_bytes: int = 0
    memory_total_bytes: int = 0
    disk_read_bytes_per_second: float = 0.0
    disk_write_bytes_per_second: float = 0.0
    network_receive_bytes_per_second: float = 0.0
    network_transmit_bytes_per_second: float = 0.0


class Metrics(Model):
    """What a plain GET of the metrics subresource answers: oldest sample first."""

    api_version: str = "subresources.hypersdk.io/v1alpha1"
    kind: str = "VirtualMachineMetrics"
    interval_seconds: float = 0.0
    samples: list[Sample] = []
