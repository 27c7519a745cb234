"""What the self-test says, and which node it takes."""

import io
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from controller.hypervisor.kvm_probe import Probe
from hyperctl.agent.checks import judged
from hyperctl.agent.main import main
from hyperctl.agent.report import Found, Report, Verdict, fail, ok, skip, warn
from hypersdk.errors import ConfigError, Transient, UsageError

FAILED = "selftest: 1 failed, 0 to look at"
WORKS, USELESS = Probe(True, "a guest ran on KVM"), Probe(False, "it hangs")


def report(moments: list[float]) -> Report:
    """One with a clock that a test sets."""
    return Report(io.StringIO(), iter(moments).__next__)


def finding(found: Found | Exception) -> Callable[[], Awaitable[Found]]:
    """A check that finds that."""

    async def check() -> Found:
        if isinstance(found, Exception):
            raise found
        return found

    return check


@pytest.mark.parametrize(
    ("found", "line", "summary"),
    [
        (ok("fine"), "ok   API                      1.50 s  fine\n", "selftest: all well"),
        (warn("hm"), "warn API                      1.50 s  hm\n", "selftest: all well, 1 to look at"),
        (skip("not asked"), "skip API                      1.50 s  not asked\n", "selftest: all well"),
        (fail("no\n\x1b[2J way"), "FAIL API                      1.50 s  no ", FAILED),
        (
            Transient("no answer"),
            "FAIL API                      1.50 s  no answer\n",
            FAILED,
        ),
        (
            TimeoutError(),
            "FAIL API                      1.50 s  no answer in time\n",
            FAILED,
        ),
    ],
)
async def test_each_check_is_one_line(found: Found | Exception, line: str, summary: str) -> None:
    told = report([10.0, 11.5])
    went_well = await told.run("API", finding(found))
    assert isinstance(told.out, io.StringIO)
    text = told.out.getvalue()
    assert text.startswith(line)
    assert text.count("\n") == 1
    assert "\x1b" not in text
    assert told.summary() == summary
    assert went_well == ("failed" not in summary)


@pytest.mark.parametrize(
    ("probe", "used", "verdict"),
    [
        (WORKS, "kvm", Verdict.OK),
        (USELESS, "kvm", Verdict.FAIL),
        (WORKS, "qemu", Verdict.WARN),
        (USELESS, "qemu", Verdict.SKIP),
        (USELESS, None, Verdict.SKIP),
    ],
)
def test_kvm_is_judged_by_what_the_node_makes_of_it(probe: Probe, used: str | None, verdict: Verdict) -> None:
    found = judged(probe, used)
    assert found.verdict is verdict
    assert probe.reason in found.words


def test_kill_without_a_controller_to_kill_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERSDK_STATE", str(tmp_path))
    with pytest.raises(UsageError, match="--unit"):
        main(["selftest", "--kill", "--kubeconfig", str(tmp_path / "none")])


def test_without_an_api_there_is_nothing_to_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERSDK_STATE", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="none"):
        main(["selftest", "--libvirt-uri", "test:///default"])


@pytest.mark.parametrize("count", ["0", "101", "many"])
def test_number_of_kills_has_bounds(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["selftest", "--kill", count])
    assert ended.value.code == 2
    assert "--kill" in capsys.readouterr().err
