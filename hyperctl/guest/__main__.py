"""What does `python -m hyperctl.guest` do: build the guest image and say where it is."""

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

from hyperctl.guest.image import build
from hypersdk.errors import HyperSDKError
from hypersdk.settings import places


def main() -> int:
    """Build, print each step with its time, and put the path on stdout."""
    asked = _arguments()
    started = time.monotonic()

    def tell(step: str) -> None:
        print(f"{time.monotonic() - started:6.1f} s  {step}", file=sys.stderr)

    try:
        image = build(places(os.environ).cache, tell, refresh=asked.refresh)
        if asked.output is not None:
            shutil.copyfile(image, asked.output)
    except (HyperSDKError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    path = asked.output or image
    tell(f"ready, {path.stat().st_size >> 20} MiB")
    print(path)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m hyperctl.guest", description="Build the small guest image.")
    parser.add_argument("--output", type=Path, metavar="FILE", help="also copy the image there")
    parser.add_argument("--refresh", action="store_true", help="ask apt for newer packages")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
