"""Do the figures of interrupted operations say what was done, and do runs of single operations leave the others' be?"""

from collections import Counter
from pathlib import Path

import pytest

from tests.campaign.work.campaign import Tally
from tests.campaign.work.figures import BEGIN, END, rows, written
from tests.campaign.work.trial import NOT_TAKEN_UP, step_of

TITLES = ["snapshot", "restore", "clone"]


def tally(title: str, kills: int) -> Tally:
    """One of that operation."""
    steps = Counter({"taking it": kills - 1, NOT_TAKEN_UP: 1})
    return Tally(title, kills=kills, again=2, finished=3, undone=1, steps=steps)


def test_rows_are_replaced_by_their_operation_and_stay_in_order(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n\n{BEGIN}\n{END}\nafter\n")
    written(page, rows([tally("clone", 5), tally("snapshot", 7)], "a run"), TITLES)
    written(page, rows([tally("clone", 9)], "another run"), TITLES)
    lines = page.read_text().splitlines()
    assert lines[:2] == ["before", ""]
    assert lines[-2:] == [END, "after"]
    assert lines[5:-2] == [
        "| snapshot | 7 | 2 | 3 | 1 | 0 | taking it 6, not taken up yet 1 | a run |",
        "| clone | 9 | 2 | 3 | 1 | 0 | taking it 8, not taken up yet 1 | another run |",
    ]


@pytest.mark.parametrize(
    ("message", "step"),
    [
        (None, NOT_TAKEN_UP),
        ("merging 4 MiB into /state/disks/x-root.qcow2", "merging into"),
        ("saving the memory: 3 MiB of 33 MiB", "saving the memory"),
        ("heir-7 is made", "is made"),
        ("undoing: it was cancelled", "undoing"),
    ],
)
def test_step_is_what_is_the_same_in_each(message: str | None, step: str) -> None:
    assert step_of(message) == step
