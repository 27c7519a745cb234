"""Which S3 server do the tests fetch images from? `python -m tests.s3.build` makes it, once."""

import sys
from collections.abc import Mapping
from pathlib import Path

from hypersdk.settings import places
from tests.controlplane.build import Program, build_missing, told

_MODULE = "github.com/versity/versitygw"
VERSITYGW = Program("versitygw", "versitygw", f"{_MODULE}/cmd/versitygw", _MODULE, home=Path(__file__).resolve().parent)


def versitygw(environ: Mapping[str, str]) -> Path:
    """A finished versitygw from the cache, built first when it is missing."""
    folder = places(environ).cache / "s3" / f"{VERSITYGW.name}-{VERSITYGW.version}"
    build_missing([VERSITYGW], folder, environ)
    return folder / VERSITYGW.name


if __name__ == "__main__":
    sys.exit(told("s3", versitygw))
