"""Which columns fit."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tui.cells import place
from tui.columns import columns


def _shown(width: int, namespaces: bool = False) -> list[str]:
    return [one.column.id for one in place(columns(namespaces), width)]


def test_everything_fits_120_columns() -> None:
    assert _shown(120) == ["name", "status", "cpu", "cpu-trend", "memory", "memory-trend", "node", "ip", "via", "age"]


def test_least_important_column_goes_first_at_80() -> None:
    assert _shown(80) == ["name", "status", "cpu", "memory", "ip", "age"]


def test_name_and_status_stay_to_the_last() -> None:
    assert _shown(42) == ["name", "status"]
    assert _shown(20) == ["name"]


@given(st.integers(min_value=3, max_value=400), st.booleans())
def test_no_column_leaves_the_width(width: int, namespaces: bool) -> None:
    placed = place(columns(namespaces), width)
    assert placed
    assert placed[-1].x + placed[-1].width <= width
    assert all(a.x + a.width + a.gap == b.x for a, b in pairwise(placed))
