"""What a shell is offered, without an API: commands, options, their values; silence when there is no answer."""

from pathlib import Path

import pytest

from hyperctl.k8s.completing import candidates
from hyperctl.main import main

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: here
contexts:
- {name: here, context: {cluster: c, user: u}}
- {name: "$(reboot)", context: {cluster: c, user: u}}
- {name: admin@far:6443, context: {cluster: c, user: u}}
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {}}]
"""


@pytest.fixture(autouse=True)
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An API where nothing answers."""
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("", ["k8s", "up"]),
        ("k", ["k8s"]),
        ("k8s ", ["apply", "backup", "node", "op", "restore", "template", "vm"]),
        ("k8s vm st", ["start", "stop"]),
        ("k8s vm stop web --f", ["--force"]),
        ("k8s vm stop web -f", ["-force"]),
        ("k8s vm list -o j", ["json", "jsonpath="]),
        ("k8s vm list --output = y", ["yaml"]),
        ("k8s vm list --output=y", ["--output=yaml"]),
        ("k8s vm why web -o ", ["json", "text"]),
        ("k8s vm console web -device c", ["console1"]),
        ("k8s vm wait web --for p", ["phase=Running", "phase=Stopped"]),
        ("k8s vm list --context ", ["admin@far:6443", "here"]),
        ("completion ", ["bash", "fish", "zsh"]),
        ("k8s moon ", []),
        ("k8s vm stop ", []),
        ("k8s vm list -context nowhere -n ", []),
    ],
)
def test_what_is_offered(line: str, offered: list[str]) -> None:
    assert candidates(["k8s", "up"], line.split(" ")) == offered


def test_program_prints_a_candidate_a_line_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["__complete", "k8s", "vm", "re"]) == 0
    assert capsys.readouterr() == ("resize\nrestart\nresume\n", "")


def test_unknown_shell_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "tcsh"]) == 2
    assert "bash|zsh|fish" in capsys.readouterr().err
