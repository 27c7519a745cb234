"""Does a run in two halves fail when one of them does?"""

import pytest

from tests.__main__ import verdict


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        pytest.param((0, 0), 0, id="both passed"),
        pytest.param((1, 0), 1, id="the first failed"),
        pytest.param((0, 1), 1, id="the second failed"),
        pytest.param((5, 0), 0, id="no test of the first was chosen"),
        pytest.param((0, -9), -9, id="one was killed"),
        pytest.param((5, 5), 5, id="no test was chosen"),
    ],
)
def test_run_passes_only_when_no_half_failed(codes: tuple[int, int], expected: int) -> None:
    assert verdict(codes) == expected
