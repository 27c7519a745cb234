"""What is told to Prometheus: names by convention, few labels, each one written down, and the figures right."""

import re
from contextlib import nullcontext
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from controller.hypervisor.readings import DomainStats
from controller.runtime.worker import Done, Later, Outcome
from controller.telemetry import context
from controller.telemetry.figures import REGISTRY
from controller.telemetry.fleet import Fleet
from controller.telemetry.operations import OperationCount
from controller.telemetry.work import MeteredQueue, metered
from hypersdk.errors import Terminal, Transient
from hypersdk.kube.cache import Cache, Key
from hypersdk.model.base import Resource
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmoperation import VMOperation

PAGE = Path(__file__).parents[3] / "docs" / "tasks" / "monitoring.md"
ROW = re.compile(r"^\| `([a-z_]+)` \| (\w+) \| ([^|]*) \| ([^|]*) \|$", re.M)
PROCESS = "process_"
KEY = ("default", "web")
LABELS_OF_MANY_VALUES = {"namespace", "name"}
"""Only of metrics of VMs."""


def _fleet() -> Fleet:
    vm = VirtualMachine.model_validate(
        {
            "metadata": {"name": "web", "namespace": "default", "uid": "u"},
            "spec": {"cpus": 1, "memory": "1Gi"},
            "status": {"nodeName": "node-1", "phase": "Running"},
        }
    )
    other = vm.but(status=vm.status.but(node_name="node-2"))
    caches: dict[str, Cache[Resource]] = {"VirtualMachine": Cache(lists=2, watches=5)}
    stats = DomainStats(cpu_time_ns=2_500_000_000, memory_used_bytes=7)
    return Fleet("node-1", "1.2.3", [vm, other], {"u": stats}.get, caches, {"console": 3})


def _value(name: str, labels: dict[str, str], of: Collector | None = None) -> float:
    registry = REGISTRY
    if of is not None:
        registry = CollectorRegistry()
        registry.register(of)
    return registry.get_sample_value(name, labels) or 0.0


def _families() -> list[Metric]:
    families = [*REGISTRY.collect(), *_fleet().collect()]
    return [family for family in families if not family.name.startswith(PROCESS)]


def _exposed(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def test_every_metric_is_documented_and_every_documented_one_is_there() -> None:
    documented = {(name, kind, words) for name, kind, _, words in ROW.findall(PAGE.read_text())}
    assert documented == {(_exposed(family), family.type, family.documentation) for family in _families()}


def test_documented_labels_are_the_ones_that_there_are() -> None:
    documented = {name: set(re.findall(r"`(\w+)`", labels)) for name, _, labels, _ in ROW.findall(PAGE.read_text())}
    seen = {_exposed(family): set(sample.labels) - {"le"} for family in _families() for sample in family.samples}
    assert seen.items() <= documented.items()


@pytest.mark.parametrize("family", _families(), ids=lambda family: family.name)
def test_names_are_by_convention(family: Metric) -> None:
    name = family.name
    assert re.fullmatch(r"[a-z]+(_[a-z]+)+", name)
    assert family.documentation.endswith(".")
    assert family.type != "histogram" or name.endswith("_seconds")
    assert not name.endswith(("_total", "_count", "_sum", "_bucket"))
    labels = {label for sample in family.samples for label in sample.labels}
    assert name.startswith(("hypersdk_vm_", "workqueue_", "leader_election_")) or not labels & LABELS_OF_MANY_VALUES


def test_vms_of_this_node_are_told_and_no_others() -> None:
    where = {"namespace": "default", "name": "web"}
    assert _value("hypersdk_vm_status_phase", {**where, "phase": "Running"}, _fleet()) == 1
    assert _value("hypersdk_vm_cpu_usage_seconds_total", where, _fleet()) == 2.5
    assert _value("hypersdk_vm_memory_used_bytes", where, _fleet()) == 7
    assert _value("hypersdk_watch_starts_total", {"kind": "VirtualMachine"}, _fleet()) == 5
    assert _value("hypersdk_streams_open", {"subresource": "console"}, _fleet()) == 3
    phases = next(family for family in _fleet().collect() if family.name == "hypersdk_vm_status_phase")
    assert len(phases.samples) == 1


class _Seconds:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_queue_tells_depth_waiting_and_work() -> None:
    name, clock = {"name": "virtualmachine"}, _Seconds()
    before = {
        what: _value(what, name)
        for what in ("workqueue_adds_total", "workqueue_queue_duration_seconds_sum", "workqueue_retries_total")
    }
    queue = MeteredQueue(clock)
    for key in (KEY, KEY, ("default", "db")):
        queue.add(key)
    assert _value("workqueue_depth", name) == 2
    clock.now = 3
    key = await queue.get()
    assert _value("workqueue_depth", name) == 1
    queue.done(key)
    queue.add_after(key, 60)
    queue.close()
    after = {what: _value(what, name) - count for what, count in before.items()}
    assert after == {
        "workqueue_adds_total": 2,
        "workqueue_queue_duration_seconds_sum": 3,
        "workqueue_retries_total": 1,
    }


@pytest.mark.parametrize(
    ("result", "told", "failed"),
    [
        (Done(), "success", 0),
        (Later(5), "requeue_after", 0),
        (Transient("libvirt is away"), "error", 1),
        (Terminal("NoWay", "never"), "terminal", 1),
        (ZeroDivisionError("a bug"), "error", 1),
    ],
)
async def test_passes_are_counted_by_their_result(result: Outcome | Exception, told: str, failed: int) -> None:
    seen = []

    async def reconcile(key: Key) -> Outcome:
        seen.append(context.VM.get())
        if isinstance(result, Exception):
            raise result
        return result

    passes = {"controller": "virtualmachine", "result": told}
    errors = {"controller": "virtualmachine"}
    before = _value("controller_runtime_reconcile_total", passes)
    before_errors = _value("controller_runtime_reconcile_errors_total", errors)
    with pytest.raises(type(result)) if isinstance(result, Exception) else nullcontext():
        await metered(reconcile)(KEY)
    assert _value("controller_runtime_reconcile_total", passes) == before + 1
    assert _value("controller_runtime_reconcile_errors_total", errors) == before_errors + failed
    assert seen == ["default/web"]


def _operation(name: str, phase: str, vm: str = "web") -> VMOperation:
    times = {"startTime": "2026-11-23T09:00:00Z", "completionTime": "2026-11-23T09:00:04Z"}
    return VMOperation.model_validate(
        {
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"vmRef": {"name": vm}, "operation": "stop"},
            "status": {"phase": phase, **(times if phase == "Succeeded" else {})},
        }
    )


def test_operations_are_counted_when_they_end_here_and_once() -> None:
    labels = {"operation": "stop", "outcome": "Succeeded"}
    before = _value("hypersdk_operations_total", labels)
    seconds = _value("hypersdk_operation_duration_seconds_sum", {"operation": "stop"})
    cache: Cache[VMOperation] = Cache()
    cache.put([_operation("old", "Succeeded")])
    cache.subscribe(OperationCount(cache, lambda key: key == KEY).changed)
    cache.put([_operation("old", "Succeeded"), _operation("new", "Running"), _operation("far", "Running", "db")])
    cache.put([_operation("new", "Succeeded"), _operation("far", "Succeeded", "db")])
    cache.put([_operation("new", "Succeeded")])
    assert _value("hypersdk_operations_total", labels) == before + 1
    assert _value("hypersdk_operation_duration_seconds_sum", {"operation": "stop"}) == seconds + 4
