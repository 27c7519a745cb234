"""The stack's first part: a libvirtd, our own unless another one is named."""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from hyperctl.stack.libvirtd import answers, libvirt_socket, libvirt_uri
from hyperctl.stack.part import Part, Starting
from hyperctl.stack.privilege import as_root
from hyperctl.stack.talk import Tell
from hypersdk.errors import HyperSDKError
from hypersdk.settings import Places

_HOST_SOCKET = Path("/run/libvirt/libvirt-sock")
_TUN = Path("/dev/net/tun")
_START_TIMEOUT_S = 60.0
_ASK_TIMEOUT_S = 30.0


def ensure(places: Places, uri: str, virt_type: str, tell: Tell) -> str:
    """The URI of a libvirtd that answers: the one that was named, or ours, started if it does not run."""
    part = Part.of(places, "libvirt")
    if named := uri or _in_use(places, part):
        return _named(part, named, tell)
    ours = libvirt_uri(places.libvirt)
    if process := part.process:
        if not answers(ours, _ASK_TIMEOUT_S):
            raise HyperSDKError(f"libvirtd (pid {process.pid}) does not answer: see {part.log}, then 'hyperctl down'")
        tell(f"runs (pid {process.pid})")
        return ours
    _check_tun()
    kvm, why = _kvm(virt_type, tell)
    starting = part.start(_command(places, kvm), prefix=as_root("libvirtd"), uri=ours)
    _await(starting, places, ours, tell)
    beside = "; this host's own libvirtd is left alone (--libvirt-uri takes it)" if _HOST_SOCKET.exists() else ""
    tell(f"ready, {why}, separate, in {places.libvirt}{beside}")
    return ours


def _in_use(places: Places, part: Part) -> str:
    """The libvirtd of somebody else's that a running controller is on."""
    noted = part.fact("uri")
    is_other = noted != libvirt_uri(places.libvirt)
    return noted if is_other and Part.of(places, "controller").process else ""


def _named(part: Part, uri: str, tell: Tell) -> str:
    if part.process is not None:
        raise HyperSDKError("the stack runs on a libvirtd of its own: 'hyperctl down' first, then name another one")
    if not answers(uri, _ASK_TIMEOUT_S):
        raise HyperSDKError(
            f"no libvirtd answers at {uri}. Try 'virsh --connect {uri} version'; without --libvirt-uri and "
            "HYPERSDK_LIBVIRT_URI one of our own is started"
        )
    part.note(None, uri=uri)
    tell(f"using {uri}")
    return uri


def _command(places: Places, kvm: bool) -> Sequence[str]:
    return [
        *(sys.executable, "-P", "-m", "hyperctl.stack.libvirtd"),
        *("--root", str(places.libvirt), "--owner", str(os.getuid()), "--logs", str(places.node / "consoles")),
        *(["--kvm"] if kvm else []),
    ]


def _await(starting: Starting, places: Places, uri: str, tell: Tell) -> None:
    def ask() -> str:
        return uri if libvirt_socket(places.libvirt).is_socket() and answers(uri, _ASK_TIMEOUT_S) else ""

    starting.await_answer(ask, _START_TIMEOUT_S, tell)


def _kvm(virt_type: str, tell: Tell) -> tuple[bool, str]:
    """Whether libvirtd may see /dev/kvm, and why: one that is there and does not work makes it slow beyond use."""
    if virt_type != "auto":
        return virt_type == "kvm", f"{virt_type} as asked"
    from controller.hypervisor.kvm_probe import probe_kvm

    tell("trying KVM")
    probe = asyncio.run(probe_kvm())
    return probe.works, f"{'with' if probe.works else 'without'} KVM ({probe.reason})"


def _check_tun() -> None:
    # The device file alone is made by our libvirtd; without the driver no guest gets a network interface.
    if not _TUN.exists() and "tun" not in Path("/proc/misc").read_text().split():
        raise HyperSDKError(
            f"there is no {_TUN}, which guests' networks need: load the driver with 'modprobe tun' as root, "
            "or run this container with the device"
        )
