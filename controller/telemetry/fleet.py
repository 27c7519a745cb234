"""What are the VMs of this node like, and the caches and streams, at the moment that somebody scrapes?"""

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from controller.hypervisor.readings import DomainStats
from hypersdk.kube.cache import Cache, Health
from hypersdk.model.base import Resource
from hypersdk.model.virtualmachine import VirtualMachine

_VM: Final = ["namespace", "name"]
_GAUGES: Final[dict[str, tuple[str, Callable[[DomainStats], float]]]] = {
    "hypersdk_vm_vcpus": ("vCPUs that the VM has.", lambda stats: stats.vcpus),
    "hypersdk_vm_memory_bytes": ("Memory that the VM has.", lambda stats: stats.memory_total_bytes),
    "hypersdk_vm_memory_used_bytes": (
        "Memory in use by the guest's own word, else QEMU's resident size.",
        lambda stats: stats.memory_used_bytes,
    ),
}
_COUNTERS: Final[dict[str, tuple[str, Callable[[DomainStats], float]]]] = {
    "hypersdk_vm_cpu_usage_seconds": ("CPU time of the VM.", lambda stats: stats.cpu_time_ns / 1e9),
    "hypersdk_vm_storage_read_bytes": ("Bytes read from the VM's disks.", lambda stats: stats.disk_read_bytes),
    "hypersdk_vm_storage_written_bytes": ("Bytes written to the VM's disks.", lambda stats: stats.disk_write_bytes),
    "hypersdk_vm_network_receive_bytes": (
        "Bytes that the VM received.",
        lambda stats: stats.network_receive_bytes,
    ),
    "hypersdk_vm_network_transmit_bytes": (
        "Bytes that the VM transmitted.",
        lambda stats: stats.network_transmit_bytes,
    ),
}


@dataclass(frozen=True, eq=False)
class Fleet(Collector):
    """Reads everything anew at each scrape: nothing is kept for a VM that is gone."""

    node: str
    version: str
    vms: Iterable[VirtualMachine]
    counters: Callable[[str], DomainStats | None]
    """Of a running VM, by uid."""
    caches: Mapping[str, Cache[Resource]]
    streams: Mapping[str, int]
    """How many are open, by subresource."""

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        mine = [vm for vm in self.vms if vm.status.node_name == self.node]
        yield self._build()
        yield _phases(mine)
        yield from self._usage(mine)
        yield from self._watches()
        streams = GaugeMetricFamily("hypersdk_streams_open", "WebSockets that are open.", labels=["subresource"])
        for subresource, count in sorted(self.streams.items()):
            streams.add_metric([subresource], count)
        yield streams

    def _build(self) -> Metric:
        labels = {"version": self.version, "python": platform.python_version(), "node": self.node}
        family = GaugeMetricFamily("hypersdk_build_info", "What runs, on which node; always 1.", labels=list(labels))
        family.add_metric(list(labels.values()), 1)
        return family

    def _usage(self, mine: list[VirtualMachine]) -> Iterator[Metric]:
        read = [(_labels(vm), stats) for vm in mine if (stats := self.counters(vm.metadata.uid)) is not None]
        for name, (words, value) in _GAUGES.items():
            gauge = GaugeMetricFamily(name, words, labels=_VM)
            for labels, stats in read:
                gauge.add_metric(labels, value(stats))
            yield gauge
        for name, (words, value) in _COUNTERS.items():
            counter = CounterMetricFamily(name, words, labels=_VM)
            for labels, stats in read:
                counter.add_metric(labels, value(stats))
            yield counter

    def _watches(self) -> Iterator[Metric]:
        starts = CounterMetricFamily("hypersdk_watch_starts", "Watches that were begun.", labels=["kind"])
        lists = CounterMetricFamily("hypersdk_watch_lists", "Times that everything was listed anew.", labels=["kind"])
        live = GaugeMetricFamily("hypersdk_watch_live", "1 while what is known is the API's newest.", labels=["kind"])
        for kind, cache in self.caches.items():
            starts.add_metric([kind], cache.watches)
            lists.add_metric([kind], cache.lists)
            live.add_metric([kind], float(cache.health is Health.LIVE))
        yield from (starts, lists, live)


def _phases(mine: list[VirtualMachine]) -> Metric:
    family = GaugeMetricFamily("hypersdk_vm_status_phase", "1 for the phase of each VM.", labels=[*_VM, "phase"])
    for vm in mine:
        family.add_metric([*_labels(vm), str(vm.phase)], 1)
    return family


def _labels(vm: VirtualMachine) -> list[str]:
    return [vm.metadata.namespace or "", vm.metadata.name]
