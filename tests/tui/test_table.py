"""The table by itself: rows from outside, cursor by key, few cells painted, ten thousand rows cheap."""

from collections.abc import Callable
from time import process_time

from textual.app import App, ComposeResult

from tui.cells import Cells, Column, Key
from tui.glyphs import ASCII
from tui.tone import Span
from tui.widgets.table import Table

COLUMNS = (Column("name", "NAME", 10, rank=0, widest=20), Column("cpu", "CPU", 4, rank=1, right=True))


class Bench(App[None]):
    """A table over a dictionary; it counts how often a row is read."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.values = {("ns", f"vm-{n:05d}"): n for n in range(count)}
        self.reads = 0
        self.chosen: list[Key] = []

    def compose(self) -> ComposeResult:
        """Only the table."""
        yield Table(COLUMNS, self.read, ASCII, id="table")

    @property
    def table(self) -> Table:
        """The table."""
        return self.query_one("#table", Table)

    def read(self, key: Key) -> Cells:
        """One row."""
        self.reads += 1
        return (Span(key[1]), Span(str(self.values[key])))

    def on_table_chosen(self, event: Table.Chosen) -> None:
        """Remember."""
        self.chosen.append(event.key)


def _lines(app: Bench) -> list[str]:
    return [app.table.render_line(y).text.rstrip() for y in range(app.table.size.height)]


async def test_only_rows_in_view_are_read() -> None:
    app = Bench(10_000)
    async with app.run_test(size=(60, 20)) as pilot:
        app.table.set_order(list(app.values))
        await pilot.pause(0.15)
        assert 0 < app.reads <= 40


async def test_ten_thousand_rows_are_set_within_a_tenth_of_a_second() -> None:
    app = Bench(10_000)
    async with app.run_test(size=(120, 40)) as pilot:
        order = list(app.values)
        began = process_time()
        app.table.set_order(order)
        await pilot.pause(0.15)
        assert process_time() - began < 0.3


async def test_cursor_and_marks_stay_with_their_keys_when_the_order_changes() -> None:
    app = Bench(5)
    async with app.run_test(size=(40, 10)) as pilot:
        app.table.set_order(list(app.values))
        app.table.select(("ns", "vm-00001"))
        app.table.action_mark()
        app.table.set_order(list(app.values)[::-1])
        await pilot.pause(0.15)
        assert app.table.cursor == ("ns", "vm-00002")
        assert app.table.marked == [("ns", "vm-00001")]
        assert _lines(app)[3].startswith("> vm-00002")
        assert _lines(app)[4].startswith(" *vm-00001")


async def test_cursor_stays_at_its_place_when_its_row_goes() -> None:
    app = Bench(5)
    async with app.run_test(size=(40, 10)) as pilot:
        order = list(app.values)
        app.table.set_order(order)
        app.table.select(order[2])
        app.table.set_order([*order[:2], *order[3:]])
        await pilot.pause()
        assert app.table.cursor == order[3]


async def test_empty_table_has_no_cursor_and_takes_keys() -> None:
    app = Bench(1)
    async with app.run_test(size=(40, 10)) as pilot:
        app.table.set_order(list(app.values))
        app.table.set_order([])
        app.table.focus()
        await pilot.press("down", "end", "space", "enter")
        assert app.table.cursor is None
        assert app.chosen == []


async def test_scrolling_keeps_the_cursor_in_view() -> None:
    app = Bench(100)
    async with app.run_test(size=(40, 11)) as pilot:
        app.table.set_order(list(app.values))
        table = app.table
        moves: list[tuple[Callable[[], None], int, int]] = [
            (lambda: table.action_jump(-1), 90, 99),
            (lambda: table.action_jump(0), 0, 0),
            (lambda: table.action_page(1), 1, 10),
            (lambda: table.action_page(1), 11, 20),
        ]
        for move, top, at in moves:
            move()
            await pilot.pause()
            assert table.position == at
            assert _lines(app)[1].split()[-2:] == [f"vm-{top:05d}", str(top)]


async def test_changed_cells_are_painted_and_nothing_else_is_read() -> None:
    app = Bench(100)
    async with app.run_test(size=(40, 11)) as pilot:
        app.table.set_order(list(app.values))
        await pilot.pause(0.15)
        app.reads = 0
        app.values["ns", "vm-00003"] = 77
        app.table.changed([("ns", "vm-00003"), ("ns", "vm-00099")])
        await pilot.pause(0.15)
        assert app.reads == 1
        assert _lines(app)[4].endswith("77")


async def test_storm_of_changes_is_painted_at_most_ten_times_a_second() -> None:
    app = Bench(10)
    async with app.run_test(size=(40, 11)) as pilot:
        app.table.set_order(list(app.values))
        await pilot.pause(0.15)
        app.reads = 0
        for number in range(200):
            app.values["ns", "vm-00003"] = number
            app.table.changed([("ns", "vm-00003")])
        await pilot.pause(0.15)
        assert app.reads <= 2
        assert _lines(app)[4].endswith("199")


async def test_enter_and_double_click_choose() -> None:
    app = Bench(3)
    async with app.run_test(size=(40, 11)) as pilot:
        app.table.set_order(list(app.values))
        app.table.focus()
        await pilot.pause(0.15)
        app.table.action_choose()
        await pilot.double_click("#table", offset=(4, 2))
        await pilot.pause()
        assert app.chosen == [("ns", "vm-00000"), ("ns", "vm-00001")]


async def test_wide_characters_do_not_shift_the_columns() -> None:
    app = Bench(0)
    app.values = {("ns", "漢字漢字漢字漢字漢字漢字"): 1, ("ns", "plain"): 2}
    async with app.run_test(size=(24, 5)) as pilot:
        app.table.set_order(list(app.values))
        await pilot.pause(0.15)
        assert [app.table.render_line(y).cell_length for y in range(3)] == [24, 24, 24]


async def test_range_is_marked_from_the_last_mark_to_the_cursor() -> None:
    app = Bench(10)
    async with app.run_test(size=(40, 12)):
        app.table.set_order(list(app.values))
        app.table.select(("ns", "vm-00006"))
        app.table.action_mark()
        app.table.select(("ns", "vm-00003"))
        app.table.action_mark_range()
        assert [name for _, name in app.table.marked] == [f"vm-0000{number}" for number in (3, 4, 5, 6)]


async def test_all_marks_only_what_is_shown() -> None:
    app = Bench(10)
    async with app.run_test(size=(40, 12)):
        app.table.set_order(list(app.values)[2:5])
        app.table.action_mark_all()
        assert len(app.table.marked) == 3
