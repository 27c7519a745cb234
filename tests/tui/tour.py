"""A walk through every screen of the console on the sample fleet; at each stop somebody may look."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from textual.pilot import Pilot
from textual.widgets import Input

from hypersdk.errors import Conflict
from hypersdk.model.base import Resource
from hypersdk.model.kinds import VIRTUAL_MACHINES
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.verbs.verb import Outcome
from tests.tui.fleet import fleet
from tests.tui.screen import app_of, console, until
from tests.tui.scripted import ScriptedSession
from tests.tui.snapshot import Snapshot
from tui.options import Options

Look = Callable[[str, Callable[[], Snapshot]], Awaitable[None]]
"""Called at each stop with its name, and how to see what the screen shows now."""
REFUSED: Final = "cannot reach https://10.0.0.7:6443: connection refused"
STALE_S: Final = 42
LOG: Final = """\
2026-11-23 11:46:58.102+0000: starting up libvirt version: 9.0.0, qemu version: 7.2.22
qemu-system-x86_64: warning: TCG doesn't support requested feature: CPUID.01H:ECX.x2apic [bit 21]
char device redirected to /dev/pts/4 (label charserial0)
"""


class Tour:
    """One running console, led from screen to screen by keys."""

    def __init__(self, pilot: Pilot[None], session: ScriptedSession, look: Look) -> None:
        self._pilot = pilot
        self._session = session
        self._look = look

    async def whole(self) -> None:
        """Every screen once."""
        await self._states_of_the_list()
        await self._list()
        await self._other_lists()
        await self._detail()
        await self._dialogs()
        await self._log_of_operations()

    async def _stop(self, name: str, *keys: str, shows: str) -> None:
        """Press keys, wait for words, let somebody look."""
        await self._pilot.press(*keys)
        await until(self._pilot, shows)
        app = app_of(self._pilot)
        app.clear_notifications()
        for line in app.screen.query(Input):
            line.cursor_blink = False
        await self._pilot.pause()
        await self._look(name, lambda: Snapshot.of(app))

    async def _typed(self, name: str, words: str, shows: str) -> None:
        """As `_stop`, with words in the line that is typed into."""
        self._pilot.app.screen.query_one(Input).value = words
        await self._stop(name, shows=shows)

    async def _back(self, *keys: str, shows: str = "web-10", without: str = "") -> None:
        await self._pilot.press(*(keys or ("escape",)))
        await until(self._pilot, shows)
        if without:
            await until(self._pilot, without, gone=True)

    async def _states_of_the_list(self) -> None:
        """Loading, error, empty, stale."""
        session, app = self._session, app_of(self._pilot)
        await self._stop("loading", shows="Loading the VMs")
        session.lose(REFUSED, "prod")
        await self._stop("error", shows="connection refused")
        session.answers = True
        session.lost.clear()
        app.enter("default")
        await self._stop("empty", shows="There are no VMs in default")
        app.enter("prod")
        await until(self._pilot, "web-10")
        self._let_time_pass()
        contact = session.cache(VIRTUAL_MACHINES, "prod").contact
        app.workspace.clock = lambda: contact + STALE_S
        session.lose(REFUSED, "prod")
        await self._stop("stale", shows=f"stale {STALE_S} s")
        app.workspace.clock = asyncio.get_running_loop().time
        session.find("prod")
        await until(self._pilot, "stale", gone=True)

    def _let_time_pass(self) -> None:
        """A dozen reports of every VM, so that there are trends; the last one is that of the file."""
        for turn in reversed(range(12)):
            self._session.put(*(_earlier(one, at, turn) for at, one in enumerate(self._session.objects)
                                if isinstance(one, VirtualMachine)), namespace="prod")  # fmt: skip

    async def _list(self) -> None:
        await self._stop("list", "end", "up", shows="▶ web-10")
        await self._stop("list-marked", "home", "space", "down", "down", "down", "v", shows="5 marked")
        await self._stop("confirm-bulk", "t", shows="VMs?")
        await self._back("n", "escape", without="marked")
        await self._pilot.press("slash")
        await self._typed("list-filtered", "status:running !web", shows=" 4/7")
        await self._typed("list-no-match", "app=nothing", shows="No VM matches")
        await self._back("enter", "escape", without="matches")
        await self._stop("columns", "V", shows="Labels")
        await self._back()

    async def _other_lists(self) -> None:
        await self._stop("nodes", "f3", shows="node-3")
        await self._stop("node-yaml", "enter", shows="kind: VMNode")
        await self._back(shows="node-3")
        await self._stop("operations", "f4", shows="migrate")
        await self._stop("events", "f5", shows="ProbeFailed")
        await self._stop("snapshots", "f6", shows="pre-upgrade")
        await self._stop("confirm-snapshot", "end", "up", "U", shows="Type 'pre-upgrade'")
        await self._back(shows="db-nightly", without="Type 'pre-upgrade'")
        await self._stop("templates", "f7", shows="✗ Checksum")
        await self._stop("backups", "f8", shows="Running 41%")
        await self._stop("schedules", "f9", shows="nightly")
        await self._stop("restores", "f10", shows="web-10-trial")
        await self._back("f2", without="web-10-trial")

    async def _detail(self) -> None:
        await self._pilot.press("end", "up")
        await self._stop("detail-overview", "enter", shows="[overview]")
        await self._stop("detail-metrics", "2", shows="of 100%")
        await self._stop("detail-console", "3", shows="load average")
        await self._back("ctrl+right_square_bracket", "escape", shows="[overview]")
        await self._stop("detail-events", "4", shows="[events]")
        await self._stop("detail-yaml", "5", shows="kind: VirtualMachine")
        await self._stop("detail-yaml-search", "slash", *"image", "enter", shows="source:")
        await self._stop("detail-disks", "6", shows="└ pre-upgrade")
        await self._stop("detail-log", "7", shows="starting up libvirt")
        await self._back()
        await self._pilot.press("home", *["down"] * 6)
        await self._stop("why", "w", shows="edge-1")
        await self._back()

    async def _dialogs(self) -> None:
        await self._pilot.press("end", "up")
        await self._stop("confirm", "t", shows="Stop web-10?")
        await self._back("n", without="Stop web-10?")
        await self._stop("confirm-name", "d", shows="Type 'web-10'")
        await self._back(without="Type 'web-10'")
        await self._stop("confirm-migrate", "b", shows="Migrate web-10?")
        await self._back(without="Migrate web-10?")
        await self._stop("confirm-back-up", "B", shows="Back up web-10?")
        await self._back(without="Back up web-10?")
        await self._stop("create", "c", shows="Create a VM")
        await self._back(without="Create a VM")
        await self._stop("namespaces", "n", shows="staging")
        await self._back(without="staging")
        await self._stop("contexts", "K", shows="embedded")
        await self._back(without="embedded")
        await self._pilot.press("colon")
        await self._typed("command-line", "stop web", shows=":stop web")
        await self._back(without=":stop web")
        await self._stop("palette", "ctrl+p", shows="Search")
        await self._back(without="Search")
        await self._stop("help", "question_mark", shows="Keys of the keymap")
        await self._back(without="Keys of the keymap")

    async def _log_of_operations(self) -> None:
        self._session.outcome = Outcome(True, "it runs again, with a new boot")
        await self._back("r", "y", shows="with a new boot")
        self._session.refusal = Conflict("a restart of web-10 is under way since 12:00:00; wait for it, or cancel it")
        await self._back("t", "y", shows="is under way")
        app_of(self._pilot).clear_notifications()
        await until(self._pilot, "▌", gone=True)
        await self._stop("operations-log", "o", shows="Operations of this console")
        await self._back()


async def tour(theme: str, size: tuple[int, int], look: Look) -> None:
    """Walk through a console of that look and size."""
    session = fleet()
    session.answers = False
    session.log_texts = [LOG]
    options = Options(emulator="pyte")  # the same picture wherever it is taken
    async with console(session, size, theme=theme, options=options) as pilot:
        await Tour(pilot, session, look).whole()


def _earlier(one: Resource, at: int, turn: int) -> VirtualMachine:
    """The VM so many reports ago."""
    assert isinstance(one, VirtualMachine)
    resources = one.status.resources
    if not turn or resources is None or resources.cpu is None:
        return one
    share = (37 * at + 23 * turn * (1 + at % 3)) % 90 + 5
    cpu = resources.cpu.but(usage=f"{share}%")
    return one.but(status=one.status.but(resources=resources.but(cpu=cpu)))
