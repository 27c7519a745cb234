"""The stack's third part: the controller of this host."""

import re
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from hyperctl.stack import library
from hyperctl.stack.part import Part
from hyperctl.stack.process import plain_kill
from hyperctl.stack.talk import Tell
from hypersdk.settings import Places

_START_TIMEOUT_S = 90.0
_STOP_TIMEOUT_S = 15.0


@dataclass(frozen=True)
class Grants:
    """What of the host the VMs and their backups may use; where nothing is named, it is what was named before."""

    bridges: Sequence[str] = ()
    backup_folders: Sequence[str] = ()


def node_name(hostname: str) -> str:
    """The host's name as an object may be called (RFC 1123)."""
    cleaned = re.sub(r"[^a-z0-9.-]+", "-", hostname.lower()).strip("-.")
    return cleaned[:63].rstrip("-.") or "localhost"


def ensure(places: Places, api: str, libvirt_uri: str, virt_type: str, grants: Grants, tell: Tell) -> None:
    """Start the controller unless it runs on this API and this libvirt, with these grants, already."""
    part = Part.of(places, "controller")
    noted = part.fact("bridges"), part.fact("backup_folders")
    wanted = ",".join(grants.bridges) or noted[0], "\n".join(grants.backup_folders) or noted[1]
    if process := part.process:
        if (part.fact("api"), part.fact("libvirt"), *noted) == (api, libvirt_uri, *wanted):
            tell(f"runs (pid {process.pid})")
            return
        tell("what it stands on has changed, starting it again")
        part.stop(plain_kill, _STOP_TIMEOUT_S)
    name = node_name(socket.gethostname())
    command = [*_command(places, libvirt_uri, virt_type, name), *grant_options(*wanted)]
    facts = {"api": api, "libvirt": libvirt_uri, "node": name}
    starting = part.start(command, **facts, bridges=wanted[0], backup_folders=wanted[1])
    starting.await_ready(_START_TIMEOUT_S, tell)
    tell(f"ready, node {name}")


def grant_options(bridges: str, folders: str) -> list[str]:
    """How the controller is told of bridges, which are noted with commas, and of folders, each noted on a line."""
    bridged = [word for name in bridges.split(",") if name for word in ("--bridge", name)]
    return bridged + [word for folder in folders.split("\n") if folder for word in ("--backup-folder", folder)]


def _command(places: Places, libvirt_uri: str, virt_type: str, name: str) -> list[str]:
    return [
        *(sys.executable, "-P", "-m", "controller.main"),
        *("--kubeconfig", str(places.kubeconfig), "--libvirt-uri", libvirt_uri, "--virt-type", virt_type),
        *("--node-name", name, "--state", str(places.node), "--gateway", str(places.gateway)),
        *("--catalogue", str(library.catalogue(places)), "--image-folder", str(library.folder(places))),
        # Whoever may make VMs here is on this host already: its own web servers are no secret from them.
        *("--image-allow", "127.0.0.0/8", "--image-allow", "::1"),
        *("--log-folder", str(places.libvirt / "log" / "qemu")),
    ]
