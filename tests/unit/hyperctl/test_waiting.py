"""What `vm wait --for` understands, and what it says of a VM that is not so."""

import pytest

from hyperctl.k8s.waiting import awaited, duration
from hypersdk.errors import UsageError
from hypersdk.model.virtualmachine import VirtualMachine

WEB = VirtualMachine.model_validate(
    {
        "metadata": {"name": "web"},
        "spec": {"cpus": 2, "memory": "1Gi"},
        "status": {
            "phase": "Failed",
            "conditions": [{"type": "Ready", "status": "False", "reason": "NoSpace", "message": "disk full"}],
        },
    }
)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("condition=Ready", False),
        ("condition=Ready=false", True),
        ("condition=Live", False),
        ("phase=failed", True),
        ("phase=Running", False),
        ("jsonpath={.spec.cpus}=2", True),
        ("jsonpath={.spec.cpus}=3", False),
        ("jsonpath=.spec.cpus=2", True),
        ("jsonpath={.status.phase}", True),
        ("jsonpath={.status.nodeName}", False),
        ("jsonpath={.status.conditions[?(@.type=='Ready')].reason}=NoSpace", True),
        ("delete", False),
    ],
)
def test_what_is_so(text: str, holds: bool) -> None:
    assert awaited(text).holds(WEB) is holds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("condition=Ready", "Ready is False (NoSpace: disk full); the VM is Failed"),
        ("condition=Live", "Live is unknown (nobody has told yet); the VM is Failed"),
        ("phase=Running", "it is Failed. NoSpace: disk full"),
        ("jsonpath={.spec.cpus}=3", "{.spec.cpus} is '2'"),
        ("delete", "it is still there, Failed"),
    ],
)
def test_how_it_is_now(text: str, words: str) -> None:
    assert awaited(text).now(WEB) == words


@pytest.mark.parametrize("text", ["", "condition=", "phase=Moon", "delete=x", "moon", "jsonpath={.a"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        awaited(text)


def test_durations() -> None:
    assert [duration(text) for text in ("90s", "5m", "1h", "7")] == [90, 300, 3600, 7]
    for text in ("", "-1s", "1d", "1h30m"):
        with pytest.raises(UsageError, match="write a number"):
            duration(text)
