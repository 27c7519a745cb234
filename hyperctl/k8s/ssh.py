"""`vm ssh`: OpenSSH to the guest, with the API as the way there."""

import argparse
import os
import shlex
import shutil
import sys

from hyperctl.k8s.session import Session
from hypersdk.errors import HyperSDKError, UsageError
from hypersdk.kube.endpoint import Endpoint
from hypersdk.model.kinds import VIRTUAL_MACHINES
from hypersdk.model.virtualmachine import VirtualMachine


async def ssh_command(session: Session, arguments: argparse.Namespace) -> list[str]:
    """The ssh command line for the VM; an error in words when it has no address."""
    if shutil.which("ssh") is None:
        raise HyperSDKError("there is no ssh here: install openssh-client")
    vm = await session.client.get(VIRTUAL_MACHINES, session.namespace, arguments.vm)
    if not vm.status.ip_addresses:
        raise HyperSDKError(
            f"{arguments.vm} has no address yet: it is {vm.phase}; the guest agent or a DHCP lease has to tell one"
        )
    return command_line(vm, arguments, session.endpoint)


def command_line(vm: VirtualMachine, arguments: argparse.Namespace, endpoint: Endpoint) -> list[str]:
    """`ssh` with our tunnel as ProxyCommand; the host key is remembered by the VM's uid, not by its address."""
    if (arguments.user or "").startswith("-"):
        raise UsageError(f"-user {arguments.user}: a user's name does not start with a dash")
    words = ["ssh", "-o", f"ProxyCommand={proxy(vm, arguments.port, endpoint)}"]
    words += ["-o", f"HostKeyAlias=hypersdk-{vm.metadata.uid}", "-o", "StrictHostKeyChecking=accept-new"]
    if arguments.key:
        words += ["-i", arguments.key, "-o", "IdentitiesOnly=yes"]
    if arguments.user:
        words += ["-l", arguments.user]
    return [*words, "--", f"{vm.metadata.name}.{vm.metadata.namespace}", *arguments.words]


def proxy(vm: VirtualMachine, port: str, endpoint: Endpoint) -> str:
    """The tunnel as ssh wants it: one line for a shell, each word quoted; `%` would be ssh's own."""
    words = [sys.executable, "-m", "hyperctl", "k8s", "vm", "portforward", vm.metadata.name, port]
    words += ["-n", vm.metadata.namespace or "default", "-kubeconfig", endpoint.kubeconfig]
    words += ["-context", endpoint.context] if endpoint.context else []
    return shlex.join(words).replace("%", "%%")


def replace_process(words: list[str]) -> int:
    """Become ssh: its exit code is ours."""
    sys.stdout.flush()
    os.execvp(words[0], words)
