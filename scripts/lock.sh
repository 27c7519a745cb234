#!/bin/sh
# Writes requirements/*.txt, with hashes, from pyproject.toml; uv lives in the cache.
set -eu

cd "$(dirname "$0")/.."
cache=${HYPERSDK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hypersdk}
tool=$cache/uv
[ -x "$tool/bin/uv" ] || { /usr/bin/python3 -m venv "$tool" && "$tool/bin/pip" install --quiet 'uv>=0.9,<1'; }

compile() {
    "$tool/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-annotate --no-header "$@" pyproject.toml
}
compile --all-extras --group build -o requirements/app.txt
compile --all-extras --group dev -c requirements/app.txt -o requirements/dev.txt
