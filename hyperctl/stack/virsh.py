"""What is asked of a libvirtd by the command line tool: guests and networks stopped, all of them."""

import subprocess

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
    for domain in active_domains(uri):
        virsh(uri, "destroy", domain)
    for network in active_networks(uri):
        virsh(uri, "net-destroy", network)
