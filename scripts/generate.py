"""Write the generated files from their sources; with --check, fail when one of them is stale."""

import sys
from pathlib import Path

import yaml

from hypersdk.model.crd import crd
from hypersdk.model.kinds import OURS
from scripts.ghostty import declarations

ROOT = Path(__file__).resolve().parent.parent


def generated() -> dict[Path, str]:
    """Every generated file with its content."""
    folder = ROOT / "deploy" / "crds"
    crds = {folder / f"{k.group}_{k.plural}.yaml": yaml.safe_dump(crd(k), sort_keys=False, width=120) for k in OURS}
    return crds | {ROOT / "tui" / "terminal" / "_ghostty_abi.py": declarations()}


def main(arguments: list[str]) -> int:
    """Write or check; the exit code says whether something was stale."""
    stale = [path for path, text in generated().items() if not path.exists() or path.read_text() != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is stale: run 'make generate'", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.write_text(generated()[path])
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
