"""Which client-go do the tests run? `python -m tests.goclient.build` makes a program of it, once."""

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path

from hypersdk.settings import places
from tests.controlplane.build import Program, build_missing, told

HERE = Path(__file__).resolve().parent
GOCLIENT = Program("goclient", ".", ".", "k8s.io/client-go", home=HERE)


def goclient(environ: Mapping[str, str]) -> Path:
    """The finished program from the cache, built first when it is missing or was built from something else."""
    source = b"".join((HERE / name).read_bytes() for name in ("go.sum", "main.go"))
    folder = places(environ).cache / "controlplane" / f"goclient-{hashlib.sha256(source).hexdigest()[:12]}"
    build_missing([GOCLIENT], folder, environ)
    return folder / GOCLIENT.name


if __name__ == "__main__":
    sys.exit(told("goclient", goclient))
