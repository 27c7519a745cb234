"""Quantities and durations: what is read, what is written, what is refused."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hypersdk.model.quantity import from_bytes, human_bytes, to_bytes, to_seconds

READ = {
    "0": 0,
    "1024": 1024,
    "1Ki": 2**10,
    "512Mi": 512 * 2**20,
    "8Gi": 8 * 2**30,
    "2Ti": 2 * 2**40,
    "1.5Gi": 3 * 2**29,
    "1500M": 1_500_000_000,
    "1k": 1000,
    "0.5G": 500_000_000,
}


@pytest.mark.parametrize(("text", "count"), READ.items())
def test_quantities_are_read(text: str, count: int) -> None:
    assert to_bytes(text) == count


@pytest.mark.parametrize("text", ["", "8g", "8GB", "Gi", "-1Gi", "1 Gi", "1e3", ".5Gi", "8Gi\n", "٨Gi"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        to_bytes(text)


@given(st.integers(min_value=0, max_value=2**62))
@example(2**62 - 1)  # more digits than a float has
def test_what_is_written_is_read_back(count: int) -> None:
    assert to_bytes(from_bytes(count)) == count


WRITTEN = {0: "0", 1: "1", 1024: "1Ki", 1536 * 2**20: "1536Mi", 8 * 2**30: "8Gi", 2**40: "1Ti", 1025: "1025"}


@pytest.mark.parametrize(("count", "text"), WRITTEN.items())
def test_quantities_are_written_short_and_exact(count: int, text: str) -> None:
    assert from_bytes(count) == text


HUMAN = {0: "0", 512: "512", 6.2 * 2**30: "6.2Gi", 512 * 2**20: "512Mi", 10 * 2**30: "10Gi", 1023.9 * 2**20: "1024Mi"}


@pytest.mark.parametrize(("count", "text"), HUMAN.items())
def test_people_read_three_places(count: float, text: str) -> None:
    assert human_bytes(count) == text


@pytest.mark.parametrize(("text", "seconds"), {"30s": 30, "10m": 600, "2h": 7200, "0s": 0}.items())
def test_durations_are_read(text: str, seconds: int) -> None:
    assert to_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "1h30m", "10d", "-1s", "1.5h", "10 m", "10m\n"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        to_seconds(text)
