"""The program: ready line, kubeconfig, port and token over restarts, clear refusals, a clean end."""

import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.timeout(60)


def start(state: Path, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "apiserver.main", "--state", str(state), "--kubeconfig", str(state / "kubeconfig")]
    return subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@contextmanager
def running(state: Path, *arguments: str) -> Iterator[str]:
    """A started server's address; it has to end cleanly."""
    process = start(state, *arguments)
    assert process.stdout is not None
    with process:
        line = process.stdout.readline()
        assert line.startswith("ready https://127.0.0.1:"), process.communicate()[1]
        yield line.removeprefix("ready ").strip()
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=20)
    assert (process.returncode, rest, errors) == (0, "", "")


def refused(state: Path, *arguments: str) -> str:
    """The one line with which a server refuses to start."""
    process = start(state, *arguments)
    output, errors = process.communicate(timeout=20)
    assert (process.returncode, output, errors.count("\n")) == (2, "", 1)
    return errors


def test_a_kubeconfig_is_enough_to_get_in_and_all_stays_over_a_restart(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with running(state) as address:
        kubeconfig = state / "kubeconfig"
        assert stat.S_IMODE(kubeconfig.stat().st_mode) == 0o600
        config = yaml.safe_load(kubeconfig.read_text())
        assert config["current-context"] == "hypersdk"
        assert config["contexts"][0]["context"]["namespace"] == "default"
        assert config["clusters"][0]["cluster"]["server"] == address
        assert "virtualmachines" in get(f"{address}/apis/hypersdk.io/v1alpha1", state)
        before = kubeconfig.read_bytes()
    with running(state) as again:
        assert again == address
        assert kubeconfig.read_bytes() == before


def get(url: str, state: Path) -> str:
    """The body of an answer, with the server's certificate checked."""
    authority = ssl.create_default_context(cafile=str(state / "ca.crt"))
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {(state / 'token').read_text()}"})
    with urllib.request.urlopen(request, context=authority, timeout=10) as answer:
        return str(answer.read().decode())


def test_a_second_server_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with running(tmp_path):
        assert "another API server already runs on" in refused(tmp_path)


def test_a_taken_port_is_refused_only_when_it_was_asked_for(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port {port}: Address already in use" in refused(tmp_path, "--port", str(port))
        (tmp_path / "port").write_text(str(port))
        with running(tmp_path) as address:
            assert not address.endswith(f":{port}")


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot write to the state folder" in refused(tmp_path / "file" / "state")


def test_a_database_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "objects.db").write_bytes(os.urandom(8192))
    assert "objects.db" in refused(tmp_path)
