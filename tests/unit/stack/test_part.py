"""Whether a part is started in the background, known again, waited for and stopped."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperctl.stack.part import Part
from hyperctl.stack.process import plain_kill
from hypersdk.errors import HyperSDKError
from hypersdk.settings import Places

_SERVES = "import signal; print('warming up'); print('ready at last', flush=True); signal.pause()"
_FAILS = "import sys; print('no such device', file=sys.stderr); sys.exit(3)"


@pytest.fixture
def part(tmp_path: Path) -> Iterator[Part]:
    here = Places(tmp_path, tmp_path)
    here.run.mkdir()
    here.log.mkdir()
    one = Part.of(here, "api")
    yield one
    one.stop(plain_kill, 5)


def test_started_part_is_known_by_another_reader(part: Part) -> None:
    starting = part.start([sys.executable, "-c", _SERVES], url="https://here")

    assert starting.await_answer(starting.ready_line, 10, lambda _: None) == "ready at last"

    again = Part(part.name, part.file, part.log)
    assert again.process == starting.process
    assert again.fact("url") == "https://here"


def test_part_is_nobodys_child_and_has_no_terminal(part: Part) -> None:
    starting = part.start([sys.executable, "-c", _SERVES])
    assert starting.process is not None
    pid = starting.process.pid

    assert os.getsid(pid) == pid
    assert Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1] != str(os.getpid())
    assert Path(f"/proc/{pid}/fd/0").readlink() == Path("/dev/null")


def test_stopped_part_is_not_running(part: Part) -> None:
    part.start([sys.executable, "-c", _SERVES])

    assert part.stop(plain_kill, 5)
    assert part.process is None
    assert not part.stop(plain_kill, 5)


def test_part_that_fails_says_why_and_where_its_log_is(part: Part) -> None:
    starting = part.start([sys.executable, "-c", _FAILS])

    with pytest.raises(HyperSDKError, match=r"(?s)api ended at once:.*no such device.*api\.log"):
        starting.await_answer(starting.ready_line, 10, lambda _: None)


def test_part_that_is_never_ready_has_a_deadline(part: Part) -> None:
    starting = part.start([sys.executable, "-c", "import signal; signal.pause()"])

    with pytest.raises(HyperSDKError, match="not ready after 0 s"):
        starting.await_answer(starting.ready_line, 0.1, lambda _: None)


def test_ready_line_of_an_earlier_run_does_not_count(part: Part) -> None:
    part.log.write_text("ready long ago\n")

    starting = part.start([sys.executable, "-c", "import signal; signal.pause()"])

    assert starting.ready_line() == ""


def test_command_that_is_not_there_is_told_of(part: Part) -> None:
    with pytest.raises(HyperSDKError, match="could not be started"):
        part.start(["/no/such/program"])


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"process": {"pid": 1}, "facts": {}}', "garbage"])
def test_unreadable_note_is_no_part(part: Part, text: str) -> None:
    part.file.write_text(text)

    assert part.process is None
    assert part.fact("url") == ""
