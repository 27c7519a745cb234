"""What is installed without a checkout has everything that the programs read."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NEEDED = (
    "hypersdk/_data/keymaps/default.toml",
    "hypersdk/_data/themes/dark.toml",
    "hypersdk/_data/deploy/crds/hypersdk.io_virtualmachines.yaml",
    "hypersdk/_data/deploy/examples/vm-demo.yaml",
    "hypersdk/_data/deploy/os-packages.txt",
    "tui/app.tcss",
    "hyperctl/guest/rootfs/init",
    "apiserver/builtin/namespaces.yaml",
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built and unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder / "site")
    return folder / "site"


@pytest.mark.timeout(60)
def test_wheel_has_the_data_and_nothing_of_the_tests(installed: Path) -> None:
    assert [name for name in NEEDED if not (installed / name).is_file()] == []
    assert not (installed / "tests").exists()


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "code",
    [
        "from hyperctl.main import main; assert main(['--help']) == 0",
        "from hypersdk.data import data_folder as f; assert '_data' in str(f('keymaps')), f('keymaps')",
        "import tui.theme as t; from hypersdk.data import data_folder as f; t.load_theme('dark', [f('themes')])",
    ],
    ids=["help", "data", "theme"],
)
def test_programs_run_from_the_wheel(installed: Path, code: str) -> None:
    paths = f"import sys; sys.path[:] = [{str(installed)!r}, *(p for p in sys.path if p != {str(ROOT)!r})]; "
    done = subprocess.run([sys.executable, "-I", "-c", paths + code], capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
