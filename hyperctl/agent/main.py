"""`hyperctl agent selftest`: does this node do what it promises? With --kill tried on a throw-away VM."""

import argparse
import asyncio
import os
import random
import secrets
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from hyperctl.agent.node import Node, node_of
from hyperctl.exits import Exit
from hypersdk.background import leaf
from hypersdk.errors import HyperSDKError

if TYPE_CHECKING:
    from hyperctl.agent.revival import Victim

_TERMINATED = 128 + signal.SIGTERM
_EPILOG = """exit codes: 0 all is well, 1 a check failed, 2 the command line makes no sense, 4 the API refuses,
5 nothing answers at the API's address. Ctrl-C ends it with 130; the throw-away VM is removed then as well."""


def main(arguments: Sequence[str]) -> int:
    """Run `hyperctl agent`."""
    options = _parser().parse_args(arguments)
    node = node_of(options, os.environ)
    try:
        return asyncio.run(_until_told(node, options))
    except asyncio.CancelledError:
        return _TERMINATED
    except BaseExceptionGroup as group:
        raise leaf(group) from None


async def _until_told(node: Node, options: argparse.Namespace) -> int:
    """As Ctrl-C does, SIGTERM ends it in order: nothing is left behind."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await _selftest(node, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hyperctl agent", description="What is done on a hypervisor host itself.")
    commands = parser.add_subparsers(dest="command", required=True)
    test = commands.add_parser(
        "selftest",
        help="check this node, and with --kill that guests outlive its controller",
        description="Checks a node, one line a check. Without options that of the local stack.",
        epilog=_EPILOG,
    )
    test.add_argument("--kubeconfig", default="", help="else the local stack's, $KUBECONFIG, ~/.kube/config")
    test.add_argument("--context", default="", help="another context of the kubeconfig than its current one")
    test.add_argument("--libvirt-uri", default="", help="of this host's libvirt (qemu:///system)")
    test.add_argument("--node", default="", help="name of the VMNode; this host's name when left out")
    test.add_argument(
        "--kill", type=_count, nargs="?", const=3, default=0, metavar="N",
        help="try a throw-away VM, and kill the controller N times (3) meanwhile",
    )  # fmt: skip
    test.add_argument("--unit", default="", help="systemd unit of the controller, to be killed")
    test.add_argument("--controller-pid", type=int, default=0, metavar="PID", help="a controller that is supervised")
    test.add_argument("--namespace", default="", help="an existing one for the throw-away VM; else one is made")
    test.add_argument("--image-folder", type=Path, metavar="DIR", help="one of the node's --image-folder")
    test.add_argument("--seed", type=int, default=None, help="of the random moments; printed, to repeat them")
    return parser


def _count(word: str) -> int:
    count = int(word)
    if not 1 <= count <= 100:
        raise argparse.ArgumentTypeError("between 1 and 100")
    return count


async def _selftest(node: Node, options: argparse.Namespace) -> int:
    try:
        from controller.hypervisor.libvirt_host import open_host
    except ModuleNotFoundError as error:
        raise HyperSDKError(f"{error}: a node needs the application with its 'controller' extra") from error
    from hyperctl.agent.checks import Checks
    from hyperctl.agent.report import Report
    from hyperctl.agent.trial import Trial, without_kills
    from hypersdk.kube.client import Client
    from hypersdk.kube.endpoint import connect

    report = Report()
    async with AsyncExitStack() as stack:
        client = Client(await connect(node.endpoint))
        stack.push_async_callback(client.close)
        host = await open_host(node.libvirt_uri, virt_type="qemu")
        stack.push_async_callback(host.close)
        checks = Checks(node, client, host)
        can_be_tried = all([await report.run(name, check) for name, check in checks.needed()])
        for name, check in checks.further():
            await report.run(name, check)
        if not options.kill:
            report.say("throw-away VM", 0.0, without_kills())
        elif can_be_tried:
            seed = secrets.randbelow(10**6) if options.seed is None else options.seed
            print(f"     seed {seed}", flush=True)
            victim = _victim(node, options)
            rng = random.Random(seed)
            await Trial(node, client, host, victim, options.kill, rng, report, options.namespace).run()
    print(report.summary(), file=sys.stderr)
    return Exit.FAILED if report.failures else Exit.OK


def _victim(node: Node, options: argparse.Namespace) -> "Victim":
    from hyperctl.agent.revival import OfPid, OfStack, OfUnit

    if options.unit:
        return OfUnit(options.unit)
    if options.controller_pid:
        return OfPid.running(options.controller_pid)
    if node.stack is None:
        raise HyperSDKError("nobody said which controller is to be killed")
    return OfStack.running(node.stack)
