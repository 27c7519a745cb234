"""`hyperctl kubeconfig`: where is the kubeconfig of the embedded API?"""

import argparse
import sys
from collections.abc import Mapping, Sequence

from hypersdk.settings import places


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Print the path; 1 when there is none."""
    argparse.ArgumentParser(
        prog="hyperctl kubeconfig", description="Prints the path of the embedded API's kubeconfig."
    ).parse_args(arguments)
    path = places(environ).kubeconfig
    if not path.exists():
        print(f"there is no {path}: start the local stack with 'hyperctl up'", file=sys.stderr)
        return 1
    print(path)
    return 0
