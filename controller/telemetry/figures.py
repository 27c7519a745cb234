"""Which metrics are there that are counted as things happen? docs/tasks/monitoring.md has each of them."""

from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series each, of when this process began
REGISTRY: Final = CollectorRegistry(auto_describe=True)
ProcessCollector(registry=REGISTRY)

_QUICK: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_LONG: Final = (0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800)

QUEUE_DEPTH: Final = Gauge("workqueue_depth", "Keys that are ready and not in work.", ["name"], registry=REGISTRY)
QUEUE_ADDS: Final = Counter("workqueue_adds", "Keys that were put in.", ["name"], registry=REGISTRY)
QUEUE_WAIT: Final = Histogram(
    "workqueue_queue_duration_seconds",
    "How long a key waited before it was in work.",
    ["name"],
    buckets=_QUICK,
    registry=REGISTRY,
)
QUEUE_WORK: Final = Histogram(
    "workqueue_work_duration_seconds", "How long a key was in work.", ["name"], buckets=_QUICK, registry=REGISTRY
)
QUEUE_RETRIES: Final = Counter(
    "workqueue_retries", "Keys that were put in to be looked at later.", ["name"], registry=REGISTRY
)
RECONCILES: Final = Counter(
    "controller_runtime_reconcile",
    "Passes over one object, by result: success, requeue_after, error, terminal.",
    ["controller", "result"],
    registry=REGISTRY,
)
RECONCILE_ERRORS: Final = Counter(
    "controller_runtime_reconcile_errors", "Passes that failed.", ["controller"], registry=REGISTRY
)
RECONCILE_TIME: Final = Histogram(
    "controller_runtime_reconcile_time_seconds",
    "How long one pass took.",
    ["controller"],
    buckets=_QUICK,
    registry=REGISTRY,
)
OPERATIONS: Final = Counter(
    "hypersdk_operations",
    "VMOperations of this node's VMs that came to an end.",
    ["operation", "outcome"],
    registry=REGISTRY,
)
OPERATION_TIME: Final = Histogram(
    "hypersdk_operation_duration_seconds",
    "How long a VMOperation took from its start to its end.",
    ["operation"],
    buckets=_LONG,
    registry=REGISTRY,
)
LIBVIRT_TIME: Final = Histogram(
    "hypersdk_libvirt_call_duration_seconds",
    "How long a call of libvirt took, its wait for a thread included.",
    ["call"],
    buckets=_QUICK,
    registry=REGISTRY,
)
LIBVIRT_ERRORS: Final = Counter(
    "hypersdk_libvirt_call_errors",
    "Calls of libvirt that failed or had no answer in time.",
    ["call"],
    registry=REGISTRY,
)
IMAGE_BYTES: Final = Counter("hypersdk_image_import_bytes", "Bytes of images that were fetched.", registry=REGISTRY)
CONSOLE_BYTES: Final = Counter(
    "hypersdk_console_output_bytes", "Bytes that guests wrote to their consoles.", registry=REGISTRY
)
TAKE_OVERS: Final = Counter(
    "hypersdk_console_take_overs",
    "Times that a console's keyboard went to somebody else, by the way it came about.",
    ["how"],
    registry=REGISTRY,
)
REFUSALS: Final = Counter(
    "hypersdk_stream_refusals", "Streams that a caller had no right to.", ["subresource"], registry=REGISTRY
)
LEADER: Final = Gauge(
    "leader_election_master_status", "1 while this controller leads the cluster part.", ["name"], registry=REGISTRY
)
