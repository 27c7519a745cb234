"""`vm list` and `vm get`."""

import argparse
import sys
from datetime import UTC, datetime

from hyperctl.exits import Exit
from hyperctl.k8s.output import details, machine_readable, table
from hyperctl.k8s.session import Session
from hypersdk.model.kinds import VIRTUAL_MACHINES


async def list_machines(session: Session, arguments: argparse.Namespace) -> int:
    """Print the VMs of a namespace, or of all of them."""
    everywhere: bool = arguments.all_namespaces
    namespace = "" if everywhere else session.namespace
    machines = await session.client.list(VIRTUAL_MACHINES, namespace, labels=arguments.selector)
    machines.sort(key=lambda vm: vm.key)
    if arguments.output not in {"table", "wide"}:
        sys.stdout.write(machine_readable(machines, arguments.output, as_list=True))
    elif machines:
        wide = arguments.output == "wide"
        sys.stdout.write(table(machines, datetime.now(UTC), namespaces=everywhere, wide=wide))
    else:
        where = "any namespace" if everywhere else f"namespace {namespace}"
        print(f"no virtual machines in {where}", file=sys.stderr)
    return Exit.OK


async def get_machine(session: Session, arguments: argparse.Namespace) -> int:
    """Print one VM."""
    vm = await session.client.get(VIRTUAL_MACHINES, session.namespace, arguments.vm)
    if arguments.output in {"table", "wide"}:
        sys.stdout.write(details(vm, datetime.now(UTC)))
    else:
        sys.stdout.write(machine_readable([vm], arguments.output, as_list=False))
    return Exit.OK
