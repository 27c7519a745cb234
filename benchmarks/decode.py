"""How long does typed decoding of a page of VMs take, beside plain JSON? `python -m benchmarks.decode`."""

import json
import time
from collections.abc import Callable

from hypersdk.model.base import JsonObject
from hypersdk.model.virtualmachine import VirtualMachine

PAGE = 500
ROUNDS = 10


def _machine(number: int) -> JsonObject:
    disks: list[JsonObject] = [{"name": f"d{one}", "size": "10Gi"} for one in range(2)]
    return {
        "apiVersion": "hypersdk.io/v1alpha1",
        "kind": "VirtualMachine",
        "metadata": {"name": f"vm-{number}", "namespace": "default", "resourceVersion": str(number)},
        "spec": {"cpus": 2, "memory": "4Gi", "disks": [*disks], "networks": [{"name": "default"}]},
        "status": {"phase": "Running", "nodeName": "n1", "ipAddresses": ["10.0.0.7"]},
    }


def _best(work: Callable[[], object]) -> float:
    """Milliseconds of the quickest round."""
    times: list[float] = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times) * 1000


def main() -> None:
    """Print the figures."""
    machines = [_machine(number) for number in range(PAGE)]
    page = json.dumps({"items": machines})
    lines = [json.dumps(machine) for machine in machines]
    print(f"page of {PAGE}, json.loads: {_best(lambda: json.loads(page)):.1f} ms")
    listed = _best(lambda: [VirtualMachine.model_validate(one) for one in json.loads(page)["items"]])
    print(f"page of {PAGE}, json.loads and pydantic: {listed:.1f} ms")
    print(
        f"{PAGE} objects, pydantic from JSON: {_best(lambda: [*map(VirtualMachine.model_validate_json, lines)]):.1f} ms"
    )


if __name__ == "__main__":
    main()
