"""Whether a process is known by more than its pid, and ends when it is told to."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from hyperctl.stack.process import end, identify, kill_by, plain_kill

_STUBBORN = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_process_is_itself(child: subprocess.Popen[bytes]) -> None:
    found = identify(child.pid)

    assert found is not None
    assert found.is_alive
    assert found.age_s() < 60


def test_recycled_pid_is_another_process(child: subprocess.Popen[bytes]) -> None:
    found = identify(child.pid)
    assert found is not None

    assert not replace(found, start_ticks=found.start_ticks - 1).is_alive
    assert not replace(found, boot="another").is_alive


def test_recycled_pid_is_never_signalled(child: subprocess.Popen[bytes]) -> None:
    found = identify(child.pid)
    assert found is not None

    assert end(replace(found, start_ticks=found.start_ticks - 1), plain_kill, 1)
    assert child.poll() is None


def test_corpse_is_not_alive(child: subprocess.Popen[bytes]) -> None:
    found = identify(child.pid)
    assert found is not None

    assert end(found, plain_kill, 5)

    assert not found.is_alive
    assert identify(child.pid) is None


def test_process_that_ignores_the_request_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", _STUBBORN], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = identify(process.pid)
        assert found is not None

        assert end(found, plain_kill, 0.1)
    assert process.returncode == -signal.SIGKILL


def test_process_of_another_user_is_ended_through_a_prefix(child: subprocess.Popen[bytes]) -> None:
    found = identify(child.pid)
    assert found is not None

    assert end(found, kill_by(("env",)), 5)
    assert child.wait() == -signal.SIGTERM


def test_no_process_is_no_process() -> None:
    assert identify(2**22 + 1) is None
