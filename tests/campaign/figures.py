"""What a long run measured, as the tables in docs/reliability.md, where they take the place of the last ones."""

import os
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.campaign.campaign import Tally
from tests.campaign.outages import Outcome

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
_GIB = 1 << 30


@dataclass
class Figures:
    """Of one run, on one or both API servers."""

    command: str
    day: str
    tallies: dict[str, Tally] = field(default_factory=dict)
    """By API server."""
    outages: dict[str, Sequence[Outcome]] = field(default_factory=dict)

    def text(self) -> str:
        """All of it, in Markdown."""
        return "\n".join([self._head(), "", *self._kills(), "", *self._outages()])

    def write(self, page: Path) -> None:
        """Put it between the marks of the page."""
        before, _, rest = page.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        page.write_text(f"{before}{BEGIN}\n{self.text()}\n{END}{after}")

    def _head(self) -> str:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / _GIB
        machine = f"{os.cpu_count()} CPUs, {memory:.0f} GiB, Linux {platform.release()}, guests emulated"
        return f"`{self.command}`, {self.day}, on {machine}; load average {os.getloadavg()[2]:.0f}."

    def _kills(self) -> list[str]:
        stages: Counter[str] = Counter()
        for tally in self.tallies.values():
            stages.update(tally.kills)
        lines = ["| kills by SIGKILL during | |", "|---|---|"]
        lines += [f"| {stage} | {count} |" for stage, count in stages.most_common()]
        lines += [f"| **all** | **{stages.total()}** |", "", *self._runs()]
        return lines

    def _runs(self) -> list[str]:
        head = "| API server | kills | VMs looked at afterwards | operations | seed | whole run | longest round |"
        rows = [
            f"| {name} | {tally.kills.total()} | {tally.checks} | {tally.operations} | {tally.seed} "
            f"| {tally.seconds:.0f} s | {tally.slowest_s:.1f} s |"
            for name, tally in self.tallies.items()
        ]
        return [head, "|---|---|---|---|---|---|---|", *rows]

    def _outages(self) -> list[str]:
        lines = ["| outage | API server | lasted | all well after |", "|---|---|---|---|"]
        for server, outcomes in self.outages.items():
            lines += [f"| {one.name} | {server} | {one.seconds:.1f} s | {one.back_s:.1f} s |" for one in outcomes]
        return lines
