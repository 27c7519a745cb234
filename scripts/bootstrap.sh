#!/bin/sh
# Makes the application's own environment: OS packages, .venv, the locked Python packages, this checkout.
# usage: scripts/bootstrap.sh app|dev     (dev adds what tests and checks need)
# Repeats are instant and need no network: a stamp holds the digest of everything the environment is made from.
set -eu

cd "$(dirname "$0")/.."
set_of=${1:-app}
list=deploy/os-packages.txt
python=/usr/bin/python3

say() { printf '· %s\n' "$*" >&2; }
die() { printf 'bootstrap: %s\n' "$*" >&2; exit 1; }

case $set_of in
    app | dev) ;;
    *) die "there is no set '$set_of': app or dev" ;;
esac

wanted_packages() {
    awk -v set_of="$set_of" '/^(run|build) / || (set_of == "dev" && /^test /) { print $2 }' "$list"
}

missing_packages() {
    for package in $(wanted_packages); do
        [ "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" = 'install ok installed' ] || printf '%s ' "$package"
    done
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "this needs root and there is no sudo. As root, run: $*"
    fi
}

apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -q "$@"; }

install_packages() {
    command -v dpkg-query >/dev/null || { say "packages: this is no Debian, taking for granted what $list names"; return; }
    missing=$(missing_packages)
    [ -n "$missing" ] || return 0
    say "packages: installing $missing"
    apt update >&2 || die "apt-get update failed: is there a way to the package mirror?"
    # shellcheck disable=SC2086 # a list of words
    apt install --yes --no-install-recommends $missing >&2 || die "as root, try: apt-get install $missing"
}

stamp_text() { cat "requirements/$set_of.txt" pyproject.toml "$list" | sha256sum; }

make_environment() {
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || die "$python is older than 3.11"
    [ -x .venv/bin/python ] || { say "python: making .venv"; "$python" -m venv .venv; }
    say "python: installing requirements/$set_of.txt (about a minute the first time)"
    pip="env PIP_DISABLE_PIP_VERSION_CHECK=1 .venv/bin/python -m pip --quiet"
    $pip install --require-hashes -r "requirements/$set_of.txt" || die "the Python packages could not be installed"
    $pip install --no-deps --no-build-isolation -e . || die "this checkout could not be installed into .venv"
}

stamp=.venv/.made-for-$set_of
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(stamp_text)" ]; then
    exit 0
fi
free=$(df -Pk . | awk 'NR == 2 { print $4 }')
[ "$free" -gt 1500000 ] || die "$(pwd) has less than 1.5 GB left: make room first"
install_packages
make_environment
stamp_text > "$stamp"
