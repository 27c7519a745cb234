"""What the steps look like in a terminal and in a log."""

import io

from hyperctl.stack.talk import Talk


class _Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class _Log(io.StringIO):
    encoding = "utf-8"


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_log_has_one_line_for_each_thing_told() -> None:
    log, clock = _Log(), _Clock()
    with Talk(log, clock).step("api") as tell:
        tell("starting")
        tell("starting")
        clock.now = 1.25
        tell("ready")

    assert log.getvalue() == "· api: starting\n· api: ready (1.2 s)\n"


def test_terminal_rewrites_the_line_and_leaves_the_last_one_whole() -> None:
    terminal = _Terminal()
    with Talk(terminal, _Clock()).step("api") as tell:
        tell("starting")
        tell("ready " + "x" * 200)

    start, cut, whole = terminal.getvalue().split("\r\x1b[K")[1:]
    assert start == "· api: starting"
    assert len(cut) < 200
    assert whole == "· api: ready " + "x" * 200 + "\n"


def test_stream_without_unicode_gets_a_plain_bullet() -> None:
    log = io.StringIO()
    with Talk(log, _Clock()).step("api") as tell:
        tell("ready")

    assert log.getvalue() == "- api: ready\n"
