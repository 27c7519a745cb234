"""How much more than it starts with a VM may get while it runs."""

import pytest

from controller.domain.headroom import MOST_MEMORY, most_cpus, most_memory

GIB = 2**30


@pytest.mark.parametrize(
    ("cpus", "most"), [(1, 4), (2, 8), (4, 16), (6, 16), (8, 16), (12, 24), (64, 128), (128, 240), (300, 300)]
)
def test_cpus(cpus: int, most: int) -> None:
    assert most_cpus(cpus) == most


@pytest.mark.parametrize(
    ("memory", "most"),
    [(GIB // 4, GIB // 4), (GIB, 4 * GIB), (8 * GIB, 32 * GIB), (100 * GIB, MOST_MEMORY), (300 * GIB, 300 * GIB)],
)
def test_memory(memory: int, most: int) -> None:
    assert most_memory(memory) == most
