"""Which node is tested: its API, its libvirt, its controller. The local stack's own, unless others are named."""

import argparse
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hyperctl.stack import library
from hyperctl.stack.libvirtd import libvirt_uri
from hyperctl.stack.local_controller import node_name
from hyperctl.stack.part import Part
from hypersdk.errors import UsageError
from hypersdk.kube.endpoint import Endpoint, default_kubeconfig
from hypersdk.settings import Places, places


@dataclass(frozen=True)
class Node:
    """Everything that has to be known of it."""

    name: str
    endpoint: Endpoint
    libvirt_uri: str
    image_folder: Path | None
    """One of its --image-folder, in which an image for the trial may be put."""
    stack: Places | None
    """The local stack, when it is that one's node."""


def node_of(options: argparse.Namespace, environ: Mapping[str, str]) -> Node:
    """The node that the options name; UsageError when they do not go together."""
    here = places(environ)
    part = Part.of(here, "controller")
    is_local = part.process is not None and not (options.kubeconfig or options.context or options.libvirt_uri)
    if is_local:
        return Node(
            options.node or part.fact("node"),
            Endpoint(str(here.kubeconfig)),
            part.fact("libvirt") or libvirt_uri(here.libvirt),
            options.image_folder or library.folder(here),
            here,
        )
    if options.kill and not (options.controller_pid or options.unit):
        raise UsageError(
            "--kill needs to know what to kill: name --unit, or the --controller-pid of one that is supervised"
        )
    kubeconfig = options.kubeconfig or default_kubeconfig(environ, here.kubeconfig)
    return Node(
        options.node or node_name(socket.gethostname()),
        Endpoint(kubeconfig, options.context),
        options.libvirt_uri or "qemu:///system",
        options.image_folder,
        None,
    )
