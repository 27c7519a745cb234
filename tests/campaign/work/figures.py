"""What the rounds came to, as a table in docs/reliability.md; a row takes the place of its operation's last one."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.campaign.work.campaign import Tally

BEGIN, END = "<!-- operations: begin -->", "<!-- operations: end -->"
HEAD = (
    "| operation | kills by SIGKILL | of them while it went on after one | done in the end | undone in the end "
    "| wrong | what it was at | run |"
)
RULE = "|---|---|---|---|---|---|---|---|"
MOST_STEPS = 8


def rows(tallies: Iterable[Tally], run: str) -> list[str]:
    """One for each operation."""
    return [_row(tally, run) for tally in tallies]


def written(page: Path, new: Sequence[str], titles: Sequence[str]) -> None:
    """Put rows into the page, in the order of the titles; those of other operations stay."""
    before, _, rest = page.read_text().partition(BEGIN)
    old, _, after = rest.partition(END)
    known = {_title(row): row for row in [*old.splitlines(), *new] if _title(row) in titles}
    lines = [HEAD, RULE, *(known[title] for title in titles if title in known)]
    page.write_text("\n".join([f"{before}{BEGIN}", *lines, f"{END}{after}"]))


def run_words(command: str, seed: int, day: str, seconds: float) -> str:
    """What ran, when, and on a machine how busy."""
    return f"`{command}`, seed {seed}, {day}, {seconds / 60:.0f} min, load average {os.getloadavg()[2]:.0f}"


def _row(tally: Tally, run: str) -> str:
    steps = [f"{step} {count}" for step, count in tally.steps.most_common(MOST_STEPS)]
    if more := sum(count for _, count in tally.steps.most_common()[MOST_STEPS:]):
        steps.append(f"other {more}")
    cells = (tally.kills, tally.again, tally.finished, tally.undone, len(tally.wrong), ", ".join(steps), run)
    return f"| {tally.title} | {' | '.join(map(str, cells))} |"


def _title(row: str) -> str:
    return row.split("|")[1].strip() if row.count("|") > 1 else ""
