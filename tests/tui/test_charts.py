"""Numbers to dots."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tui.fleet import figure
from tui.braille import ceiling, plot, window
from tui.charts import CHARTS
from tui.history import KEPT, History


def test_lone_series_is_filled_to_the_ground() -> None:
    assert plot([[0, 50, 100, 100]], 2, 2, 100, braille=True).rows == ("⢀⣿", "⣸⣿")


def test_two_series_are_lines_of_their_own() -> None:
    drawn = plot([[100, 100], [0, 0]], 1, 2, 100, braille=True)
    assert drawn.rows == ("⠉", "⣀")
    assert drawn.owners == ((0,), (1,))


def test_ascii_stands_in_for_braille() -> None:
    assert plot([[0, 100]], 2, 2, 100, braille=False).rows == (" #", "##")


@given(
    st.lists(st.lists(st.floats(-1e12, 1e12), max_size=50), max_size=3),
    st.integers(1, 30),
    st.integers(1, 10),
    st.booleans(),
)
def test_any_numbers_give_a_full_grid(series: list[list[float]], width: int, height: int, braille: bool) -> None:
    drawn = plot(series, width, height, 100.0, braille)
    assert [len(row) for row in drawn.rows] == [width] * height


def test_window_moves_in_steps_so_that_most_samples_change_one_column() -> None:
    starts = [window(count, 40) for count in range(200)]
    assert all(start <= count and count - start <= 40 for count, start in enumerate(starts))
    assert len(set(starts)) <= 18


@pytest.mark.parametrize(("highest", "base", "top"), [(0, 10, 1), (7, 10, 10), (11, 10, 20), (3000, 1024, 4096)])
def test_scale_ends_at_a_round_number(highest: float, base: float, top: float) -> None:
    assert ceiling(highest, base) == top


def test_history_drops_repeats_after_a_reconnect() -> None:
    history = History()
    assert [history.add(figure(second)) for second in (0, 1, 1, 0, 2)] == [True, True, False, False, True]
    assert history.count == 3


def test_history_knows_which_samples_it_still_has() -> None:
    history = History()
    for second in range(KEPT + 50):
        history.add(figure(second))
    assert history.count == KEPT + 50
    assert len(history.since(KEPT + 40, lambda s: s.time)) == 10
    assert len(history.since(0, lambda s: s.time)) == KEPT


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.id)
def test_chart_has_words_and_a_scale(chart: object) -> None:
    history = History()
    for second in range(30):
        history.add(figure(second))
    one = next(c for c in CHARTS if c is chart)
    drawing = one.drawing(history, 0)
    assert len(one.words(figure(29))) == len(drawing.series)
    assert drawing.top > 0
    assert max(max(values) for values in drawing.series) <= drawing.top
