"""What of QEMU's log is shown to a person."""

from controller.node.look import last_words

LOG = """2026-11-23 10:00:01.000+0000: starting up libvirt version: 9.0.0, package: 9.0.0-4, qemu version: 7.2.19
LC_ALL=C \\
/usr/bin/qemu-system-x86_64 \\
-name guest=web \\
-msg timestamp=on
char device redirected to /dev/pts/3 (label charserial0)
2026-11-23T10:00:02.000000Z qemu-system-x86_64: an old word
2026-11-23 10:00:03.000+0000: shutting down, reason=crashed
2026-11-23 10:01:01.000+0000: starting up libvirt version: 9.0.0, package: 9.0.0-4, qemu version: 7.2.19
LC_ALL=C \\
-msg timestamp=on
2026-11-23T10:01:02.000000Z qemu-system-x86_64: could not open disk
2026-11-23 10:01:03.000+0000: shutting down, reason=failed
""".splitlines()


def test_only_the_last_run_speaks_and_bookkeeping_does_not() -> None:
    assert last_words(LOG) == ("2026-11-23T10:01:02.000000Z qemu-system-x86_64: could not open disk",)


def test_failures_before_qemu_have_no_words() -> None:
    assert last_words(["2026-11-23 10:00:04.610+0000: shutting down, reason=failed"] * 3) == ()


def test_words_are_few() -> None:
    assert last_words([f"word {number}" for number in range(40)]) == tuple(f"word {number}" for number in range(35, 40))
