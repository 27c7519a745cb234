#!/bin/sh
# Runs a command as root in a network namespace of its own, with nothing but a loopback interface:
# no server and no libvirt network of the tests is ever on the host's network.
set -eu

inside='ip link set lo up && exec "$@"'
if [ "$(id -u)" = 0 ]; then
    exec unshare -n -- sh -c "$inside" sh "$@"
fi
command -v sudo >/dev/null || { echo "a private network namespace needs root, and there is no sudo: run this as root" >&2; exit 1; }
# Root leaves no files of its own in the checkout, and finds what the user has built.
exec sudo -- env PYTHONDONTWRITEBYTECODE=1 PYTEST_ADDOPTS='-p no:cacheprovider' \
    HYPERSDK_CACHE="${HYPERSDK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hypersdk}" \
    unshare -n -- sh -c "$inside" sh "$@"
