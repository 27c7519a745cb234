"""What the list says of a VM."""

from datetime import timedelta

import pytest

from hypersdk.model.base import JsonObject, rfc3339
from tests.tui.builders import NOW, operation, vm
from tui.columns import COLUMNS, SORTS, Glance, age, cells, columns, natural, status_cell, trouble, via
from tui.glyphs import ASCII, UNICODE
from tui.tone import Tone
from tui.trend import Trend

GLANCE = Glance(NOW, UNICODE, trend=Trend([0.1, 0.3], [0.2, 0.6]))
NOT_READY: list[JsonObject] = [{"type": "Ready", "status": "False", "reason": "ImageNotFound", "message": "no such"}]


@pytest.mark.parametrize(
    ("phase", "words", "tone"),
    [
        pytest.param("Running", "● Running", Tone.OK, id="running"),
        pytest.param("Stopped", "○ Stopped", Tone.DIM, id="stopped"),
        pytest.param("Failed", "✗ Failed", Tone.BAD, id="failed"),
        pytest.param("Creating", "◐ Creating", Tone.WARN, id="creating"),
        pytest.param("Unknown", "? Unknown", Tone.BAD, id="unknown"),
    ],
)
def test_status_has_a_sign_and_words_besides_its_colour(phase: str, words: str, tone: Tone) -> None:
    cell = status_cell(vm("a", phase), None, UNICODE)
    assert (cell.text, cell.tone) == (words, tone)


def test_every_phase_has_its_own_sign_in_both_sets() -> None:
    for glyphs in (UNICODE, ASCII):
        assert len(set(glyphs.phases.values())) == 8
    assert "".join(ASCII.phases.values()).isascii()


def test_reason_stands_in_the_row_of_a_vm_that_is_not_well() -> None:
    assert status_cell(vm("a", "Failed", conditions=NOT_READY), None, UNICODE).text == "✗ Failed ImageNotFound"


def test_running_vm_that_is_not_ready_is_a_warning() -> None:
    cell = status_cell(vm("a", "Running", conditions=NOT_READY), None, UNICODE)
    assert (cell.text, cell.tone) == ("● Running ImageNotFound", Tone.WARN)


def test_stopped_vm_needs_no_reason() -> None:
    assert trouble(vm("a", "Stopped", conditions=NOT_READY)) == ""


def test_image_import_shows_how_far_it_is() -> None:
    progress = {"bytesTransferred": 30, "totalBytes": 120}
    assert trouble(vm("a", "Creating", imageProgress=progress)) == "image 25%"


def test_operation_in_progress_is_shown_before_the_phase() -> None:
    assert status_cell(vm("a", "Stopped"), operation("a", "start", progress=30), UNICODE).text == "↻ start 30%, Stopped"


def test_deleted_vm_says_so() -> None:
    gone = vm("a")
    gone = gone.but(metadata=gone.metadata.but(deletion_timestamp=NOW))
    assert "deleting" in status_cell(gone, None, UNICODE).text


def test_row_of_cells_matches_the_columns() -> None:
    usage = {"cpu": {"usage": "45%"}, "memory": {"usage": "1.2Gi"}}
    row = cells(vm("a", nodeName="n1", ipAddresses=["10.0.0.4"], resources=usage), GLANCE, columns(False))
    assert [cell.text for cell in row] == ["a", "● Running", "45", "⣠", "1.2Gi/2Gi", "⣴", "n1", "10.0.0.4", "", "2h"]
    assert len(row) == len(columns(False))


def test_namespace_is_a_column_when_all_are_shown() -> None:
    assert [one.id for one in columns(True)][:2] == ["name", "namespace"]
    assert [cell.text for cell in cells(vm("a", namespace="prod"), GLANCE, columns(True))][1] == "prod"


def test_words_of_the_guest_cannot_steer_the_terminal() -> None:
    hostile = vm(
        "a", nodeName="n\x1b[2J", ipAddresses=["1\n2"], conditions=[NOT_READY[0] | {"reason": "\x9b31m\u202e"}]
    )
    shown = "".join(cell.text for cell in cells(hostile, GLANCE, COLUMNS))
    assert shown.isprintable()


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        pytest.param(timedelta(seconds=-5), "0s", id="clock ahead"),
        pytest.param(timedelta(seconds=45), "45s", id="seconds"),
        pytest.param(timedelta(minutes=59), "59m", id="minutes"),
        pytest.param(timedelta(hours=47), "1d", id="days"),
    ],
)
def test_age_uses_the_largest_unit(ago: timedelta, words: str) -> None:
    assert age(NOW - ago, NOW) == words


def test_names_sort_as_people_count() -> None:
    assert sorted(["vm-10", "vm-2", "vm-1"], key=natural) == ["vm-1", "vm-2", "vm-10"]


def test_vm_without_figures_sorts_before_those_with() -> None:
    idle, busy = vm("a"), vm("b", resources={"cpu": {"usage": "3%"}})
    assert SORTS["cpu"](idle) < SORTS["cpu"](busy)


@pytest.mark.parametrize("usage", ["NaN?", "much", ""])
def test_unreadable_figures_sort_without_an_error(usage: str) -> None:
    odd = vm("a", resources={"cpu": {"usage": usage}, "memory": {"usage": usage or None}})
    assert SORTS["cpu"](odd)
    assert SORTS["memory"](odd)


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        pytest.param(timedelta(seconds=20), "lease", id="fresh"),
        pytest.param(timedelta(minutes=3), "lease 3m", id="old"),
    ],
)
def test_address_tells_where_it_was_read_and_how_old_it_is(ago: timedelta, words: str) -> None:
    seen = {"ip": "10.0.0.4", "source": "lease", "lastSeen": rfc3339(NOW - ago)}
    assert via(vm("a", addresses=[seen]), NOW) == words


def test_chosen_columns_come_in_their_own_order() -> None:
    assert [one.id for one in columns(False, ["age", "name", "labels", "namespace"])] == ["name", "labels", "age"]


def test_reason_that_only_repeats_the_phase_is_left_out() -> None:
    paused: JsonObject = {"type": "Ready", "status": "False", "reason": "Paused", "message": "somebody paused it"}
    assert status_cell(vm("a", "Paused", conditions=[paused]), None, UNICODE).text == "‖ Paused"
