"""The trends in the rows."""

import pytest

from tests.tui.builders import vm
from tui.trend import KEPT, NO_TREND, Trends, spark, usage


def figures(cpu: str, memory: str = "1Gi") -> dict[str, object]:
    return {"cpu": {"usage": cpu}, "memory": {"usage": memory}}


def test_trend_keeps_the_newest_figures() -> None:
    trends = Trends()
    for number in range(KEPT + 5):
        trends.note(vm("a", resources=figures(f"{number}%")))
    assert list(trends.of(("default", "a")).cpu) == [number / 100 for number in range(5, KEPT + 5)]


def test_vm_that_went_off_begins_anew() -> None:
    trends = Trends()
    trends.note(vm("a", resources=figures("5%")))
    trends.note(vm("a", "Stopped"))
    assert trends.of(("default", "a")) is NO_TREND


@pytest.mark.parametrize("cpu", ["", "much", "NaN?"])
def test_unreadable_figures_are_none(cpu: str) -> None:
    assert usage(vm("a", resources=figures(cpu))) is None


def test_spark_rises_with_its_figures() -> None:
    assert spark([0.0, 0.5, 1.0], 6, braille=False) == ".+@"
    assert len(spark([0.0, 1.0] * 10, 6, braille=True)) == 6
    assert spark([], 6, braille=True) == ""
