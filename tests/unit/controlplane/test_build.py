"""Finished programs are found, missing ones are built once, and nothing half-built is ever run."""

import multiprocessing
import stat
from pathlib import Path

import pytest

from tests.controlplane.build import PROGRAMS, _missing, binaries, cache_folder

NAMES = [program.name for program in PROGRAMS]
GO = """#!/bin/sh
# a go that says its version, writes down what it was asked to build, and builds a script
if [ "$1" = env ]; then echo go1.26.8; exit 0; fi
while [ "$1" != -o ]; do shift; done
echo "$3" >> "$BUILT"
[ "$3" != "$BROKEN" ] || exit 1
printf '#!/bin/sh\\n' > "$2"; chmod +x "$2"
"""


def _executable(path: Path, text: str = "#!/bin/sh\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An empty cache, and a `go` that is quick."""
    _executable(tmp_path / "bin" / "go", GO)
    return {
        "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin",
        "HYPERSDK_CACHE": str(tmp_path / "cache"),
        "BUILT": str(tmp_path / "built"),
    }


def _built(environ: dict[str, str]) -> list[str]:
    return Path(environ["BUILT"]).read_text().splitlines()


def test_versions_are_those_that_the_modules_pin() -> None:
    assert {program.name: program.version for program in PROGRAMS} == {
        "etcd": "v3.7.3",
        "kube-apiserver": "v1.37.2",
        "kubectl": "v1.37.2",
    }


def test_assets_of_the_environment_come_first(tmp_path: Path, environ: dict[str, str]) -> None:
    for name in NAMES:
        _executable(tmp_path / "assets" / name)
    assert binaries(environ | {"KUBEBUILDER_ASSETS": str(tmp_path / "assets")}).folder == tmp_path / "assets"


def test_assets_that_lack_a_program_are_named(tmp_path: Path, environ: dict[str, str]) -> None:
    _executable(tmp_path / "assets" / "etcd")
    with pytest.raises(FileNotFoundError, match="kube-apiserver, kubectl"):
        binaries(environ | {"KUBEBUILDER_ASSETS": str(tmp_path / "assets")})


def test_what_is_missing_is_built_once(environ: dict[str, str]) -> None:
    folder = binaries(environ).folder
    assert folder == cache_folder(environ)
    assert _missing(folder) == []
    assert binaries(environ).folder == folder
    assert _built(environ) == [program.package for program in PROGRAMS]


def test_only_what_is_missing_is_built(environ: dict[str, str]) -> None:
    _executable(cache_folder(environ) / "etcd")
    binaries(environ)
    assert len(_built(environ)) == len(PROGRAMS) - 1


def test_a_build_that_breaks_keeps_what_was_finished(environ: dict[str, str]) -> None:
    with pytest.raises(OSError, match=r"kubectl.*failed"):
        binaries(environ | {"BROKEN": "k8s.io/kubernetes/cmd/kubectl"})
    folder = cache_folder(environ)
    assert [program.name for program in _missing(folder)] == ["kubectl"]
    assert list(folder.glob(".building-*")) == []
    assert _missing(binaries(environ).folder) == []


def test_two_at_once_build_once(environ: dict[str, str]) -> None:
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=binaries, args=(environ,)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert _built(environ) == [program.package for program in PROGRAMS]
