"""The raw console: what of the keyboard is the guest's, what a person is told, and old output that asks nothing."""

import pytest

from hyperctl.k8s.console import QUERIES, Keys, words_of
from hyperctl.k8s.grammar import parse
from hypersdk.errors import UsageError
from hypersdk.kube.streams import ConsoleState, Control, Mode


@pytest.mark.parametrize(
    ("old", "shown"),
    [
        pytest.param(b"~ # \x1b[6n", b"~ # ", id="where the cursor is, as ash asks at each prompt"),
        pytest.param(b"a\x1b[cb\x1b[>0cc", b"abc", id="what terminal it is"),
        pytest.param(b"a\x1b[?2026$pb", b"ab", id="a mode"),
        pytest.param(b"\x1b[31mred\x1b[0m", b"\x1b[31mred\x1b[0m", id="colours stay"),
    ],
)
def test_queries_of_old_output_are_left_out(old: bytes, shown: bytes) -> None:
    assert QUERIES.sub(b"", old) == shown


@pytest.mark.parametrize(
    ("reads", "pieces", "leaves"),
    [
        pytest.param([b"ls\r"], [b"ls\r"], False, id="all is the guest's"),
        pytest.param([b"ls\x1dx"], [b"ls"], True, id="Ctrl-] leaves, and what follows is nobody's"),
        pytest.param([b"a\x1etb"], [b"a", "take", b"b"], False, id="ask"),
        pytest.param([b"\x1ey", b"\x1en"], ["give", "keep"], False, id="answers"),
        pytest.param([b"a\x1e", b"tb"], [b"a", "take", b"b"], False, id="in two reads"),
        pytest.param([b"a\x1e\x1eb"], [b"a\x1eb"], False, id="twice is once for the guest"),
        pytest.param([b"\x1e?x"], [None, b"x"], False, id="anything else asks for help"),
        pytest.param([b"\x1e\x1d"], [None], False, id="no leaving in the middle of a command"),
    ],
)
def test_keys(reads: list[bytes], pieces: list[bytes | Control | None], leaves: bool) -> None:
    keys = Keys()
    taken = [keys.take(data) for data in reads]
    assert [piece for found, _ in taken for piece in found] == pieces
    assert taken[-1][1] is leaves


@pytest.mark.parametrize(
    ("state", "mode", "words"),
    [
        (ConsoleState(writable=True, asked=True, asker="bob", answer_within=15), "write", "bob asks for the keyboard"),
        (ConsoleState(reason="VM is stopped"), "write", "VM is stopped"),
        (ConsoleState(writable=True), "write", ""),
        (ConsoleState(writer="bob"), "watch", ""),
        (ConsoleState(writer="bob"), "write", "bob is typing"),
        (ConsoleState(writer="bob", refused=True), "write", "bob keeps the keyboard"),
        (ConsoleState(writer="bob", asker="me", answer_within=15), "write", "me has asked bob"),
    ],
)
def test_words_for_a_person(state: ConsoleState, mode: Mode, words: str) -> None:
    assert words_of(state, mode).startswith(words)
    assert bool(words_of(state, mode)) is bool(words)


def test_command_line_of_logs_screenshot_and_devices() -> None:
    logs = parse(["vm", "logs", "web", "--serial", "-f", "-lines", "5"])
    assert (logs.vm, logs.serial, logs.follow, logs.lines) == ("web", True, True, "5")
    assert parse(["vm", "screenshot", "web", "-o", "x.png"]).output == "x.png"
    assert parse(["vm", "console", "web", "--device", "console1"]).device == "console1"
    assert parse(["vm", "console", "web", "--virtio"]).virtio
    with pytest.raises(UsageError):
        parse(["vm", "logs", "web", "--serial", "--qemu"])
