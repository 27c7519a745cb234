"""Several runs side by side: each test once, and a failure of one is a failure of all."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.__main__ import verdict


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        pytest.param((0, 0), 0, id="both passed"),
        pytest.param((1, 0), 1, id="the first failed"),
        pytest.param((0, 1), 1, id="the second failed"),
        pytest.param((5, 0), 0, id="no test of the first was chosen"),
        pytest.param((0, -9), -9, id="one was killed"),
        pytest.param((5, 5), 5, id="no test was chosen"),
    ],
)
def test_run_passes_only_when_neither_failed(codes: tuple[int, int], expected: int) -> None:
    assert verdict(codes) == expected


FILE = """
import pytest

@pytest.mark.parametrize("number", range(3))
def test_it(number):
    pass

@pytest.mark.kube
def test_of_a_server():
    pass
"""


@pytest.mark.timeout(60)
def test_each_part_is_run_once_by_one_of_three_runs(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    libvirt: guests\n    e2e: all\n    kube: server\n")
    for number in range(6):
        (tmp_path / f"test_{number}.py").write_text(FILE)
    claims = tmp_path / "claims"
    claims.mkdir()
    command = [sys.executable, "-m", "pytest", "-v", "-c", "pytest.ini", "-p", "tests.lanes", f"--claims={claims}"]
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    runs = [subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) for _ in "123"]
    passed = [re.findall(r"^(\S+) PASSED", run.communicate(timeout=50)[0], re.MULTILINE) for run in runs]
    expected = [f"test_{number}.py::test_it[{at}]" for number in range(6) for at in range(3)]
    expected += [f"test_{number}.py::test_of_a_server" for number in range(6)]
    assert sorted(name for names in passed for name in names) == sorted(expected)
    assert {run.returncode for run in runs} == {0}
    with_server = [names for names in passed if any("server" in name for name in names)]
    assert len(with_server) == 1, "one server is enough for all of them"
    assert all("server" in name for name in with_server[0][:6]), "what is long comes first"
