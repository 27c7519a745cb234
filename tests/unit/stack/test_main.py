"""What the command line says when it is wrong, and how little it imports."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hyperctl.main import COMMANDS, main

_HEAVY = ("textual", "libvirt", "kubernetes_asyncio", "aiohttp", "pydantic", "yaml")


def test_import_is_light() -> None:
    code = f"import sys, hyperctl.main; print([m for m in {_HEAVY!r} if m in sys.modules])"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    told = capsys.readouterr().out
    assert all(f"  {command} " in told for command in COMMANDS)


@pytest.mark.parametrize("words", [[], ["frobnicate"]])
def test_no_command_is_a_usage_error(words: list[str]) -> None:
    assert main(words) == 2


def test_kubeconfig_without_a_stack_is_a_failure_with_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HYPERSDK_STATE", str(tmp_path))

    assert main(["kubeconfig"]) == 1
    assert "hyperctl up" in capsys.readouterr().err


def test_kubeconfig_prints_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HYPERSDK_STATE", str(tmp_path))
    (tmp_path / "kubeconfig").touch()

    assert main(["kubeconfig"]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/kubeconfig\n"


def test_status_and_down_without_a_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERSDK_STATE", str(tmp_path / "none"))

    assert main(["status"]) == 1
    assert main(["down"]) == 0


def _at_fault(command: str, words: list[str]) -> int:
    raise KeyError(command)


def test_a_fault_of_ours_is_one_line_and_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HYPERSDK_STATE", str(tmp_path))
    monkeypatch.setattr("hyperctl.main._run", _at_fault)

    assert main(["status"]) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    (file,) = (tmp_path / "log").glob("hyperctl-*.log")
    assert str(file) in told
    assert "KeyError" in file.read_text()


def test_a_reader_that_has_gone_is_no_fault() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "hyperctl", "--help"], stdout=writing, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")
