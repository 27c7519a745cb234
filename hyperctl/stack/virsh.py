"""What is asked of a libvirtd by the command line tool: guests and networks stopped, all of them."""

import subprocess
from collections.abc import Callable

from hypersdk.errors import HyperSDKError

_TIMEOUT_S = 30.0


def virsh(uri: str, *arguments: str, timeout: float = _TIMEOUT_S) -> str:
    """The output of one virsh command; HyperSDKError with libvirt's words when it fails."""
    command = ["virsh", "--quiet", "--connect", uri, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as error:
        raise HyperSDKError(f"libvirtd at {uri} did not answer '{arguments[0]}' in {timeout:.0f} s") from error
    if done.returncode != 0:
        raise HyperSDKError(f"virsh {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def active_domains(uri: str) -> list[str]:
    """The UUIDs of the guests that have a QEMU process."""
    return virsh(uri, "list", "--uuid").split()


def active_networks(uri: str) -> list[str]:
    """The UUIDs of the networks that are up."""
    return virsh(uri, "net-list", "--uuid").split()


def destroy_everything(uri: str) -> None:
    """Cut the power of every guest and take every network down, dnsmasq with it; definitions stay."""
    _end(uri, "destroy", active_domains)
    _end(uri, "net-destroy", active_networks)


def _end(uri: str, word: str, active: Callable[[str], list[str]]) -> None:
    for one in active(uri):
        try:
            virsh(uri, word, one)
        except HyperSDKError:
            # A guest that was asked to may have powered off by itself just now.
            if one in active(uri):
                raise
