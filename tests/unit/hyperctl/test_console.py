"""The raw console: old output may look like anything, but asks the user's terminal nothing."""

import pytest

from hyperctl.k8s.console import QUERIES


@pytest.mark.parametrize(
    ("old", "shown"),
    [
        pytest.param(b"~ # \x1b[6n", b"~ # ", id="where the cursor is, as ash asks at each prompt"),
        pytest.param(b"a\x1b[cb\x1b[>0cc", b"abc", id="what terminal it is"),
        pytest.param(b"a\x1b[?2026$pb", b"ab", id="a mode"),
        pytest.param(b"\x1b[31mred\x1b[0m", b"\x1b[31mred\x1b[0m", id="colours stay"),
    ],
)
def test_queries_of_old_output_are_left_out(old: bytes, shown: bytes) -> None:
    assert QUERIES.sub(b"", old) == shown
