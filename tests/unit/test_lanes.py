"""Two runs side by side: each test once, and a failure of one is a failure of both."""

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
"""


@pytest.mark.timeout(60)
def test_each_file_is_run_once_by_one_of_two_runs(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    libvirt: guests\n    e2e: all\n")
    for number in range(6):
        (tmp_path / f"test_{number}.py").write_text(FILE)
    claims = tmp_path / "claims"
    claims.mkdir()
    command = [sys.executable, "-m", "pytest", "-v", "-c", "pytest.ini", "-p", "tests.lanes", f"--claims={claims}"]
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    runs = [
        subprocess.Popen([*command, *extra], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)
        for extra in ([], ["--backwards"])
    ]
    outputs = [run.communicate(timeout=50)[0] for run in runs]
    passed = sorted(re.findall(r"^(\S+) PASSED", "\n".join(outputs), re.MULTILINE))
    assert passed == [f"test_{number}.py::test_it[{at}]" for number in range(6) for at in range(3)]
    assert {run.returncode for run in runs} == {0}
