"""Several runs side by side: each test once, and a failure of one is a failure of all."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.__main__ import verdict
from tests.lanes import claim


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

@pytest.mark.libvirt
def test_of_a_guest():
    pass

@pytest.mark.kube
def test_of_a_server():
    pass
"""


SHARED = """
import pytest

made = []

@pytest.fixture(scope="session")
def server():
    made.append(1)
    yield len(made)
    print("server ends")
"""
USES_IT = """
def test_it(server):
    assert server == 1
"""
INI = "[pytest]\nmarkers =\n    libvirt: guests\n    e2e: all\n    kube: server\n"


@pytest.fixture
def claims(tmp_path: Path) -> Path:
    """Where the runs say what they have taken, beside their tests."""
    (tmp_path / "pytest.ini").write_text(INI)
    folder = tmp_path / "claims"
    folder.mkdir()
    return folder


def started(claims: Path) -> subprocess.Popen[str]:
    """One run."""
    command = [sys.executable, "-m", "pytest", "-v", "-c", "pytest.ini", "-p", "tests.lanes", f"--claims={claims}"]
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    return subprocess.Popen(command, cwd=claims.parent, env=environment, stdout=subprocess.PIPE, text=True)


@pytest.mark.timeout(60)
def test_what_others_have_taken_is_left_out_and_fixtures_stay(claims: Path) -> None:
    (claims.parent / "conftest.py").write_text(SHARED)
    for name in ("one/test_a.py", "one/test_b.py", "two/test_c.py", "two/test_d.py"):
        file = claims.parent / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(USES_IT)
        assert name[-4] not in "bd" or claim(claims, str(file))
    run = started(claims)
    told = run.communicate(timeout=50)[0]
    assert re.findall(r"^(\S+) PASSED", told, re.MULTILINE) == ["one/test_a.py::test_it", "two/test_c.py::test_it"]
    assert run.returncode == 0, told


@pytest.mark.timeout(60)
def test_each_part_is_run_once_by_one_of_three_runs(claims: Path) -> None:
    for number in range(6):
        (claims.parent / f"test_{number}.py").write_text(FILE)
    runs = [started(claims) for _ in range(3)]
    passed = [re.findall(r"^(\S+) PASSED", run.communicate(timeout=50)[0], re.MULTILINE) for run in runs]
    expected = [f"test_{number}.py::test_it[{at}]" for number in range(6) for at in range(3)]
    expected += [f"test_{number}.py::test_of_a_{what}" for number in range(6) for what in ("guest", "server")]
    assert sorted(name for names in passed for name in names) == sorted(expected)
    assert {run.returncode for run in runs} == {0}
    with_server = [names for names in passed if any("server" in name for name in names)]
    assert len(with_server) == 1, "one server is enough for all of them"
    assert all("server" in name for name in with_server[0][:6]), "what is long comes first"
