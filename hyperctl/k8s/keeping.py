"""`node cordon`, `node uncordon` and `op cancel`: what is asked of objects that are no VMs."""

import argparse
import sys

from hyperctl.exits import Exit
from hyperctl.k8s.acting import Teller
from hyperctl.k8s.session import Session
from hypersdk.model.kinds import VM_NODES, VM_OPERATIONS
from hypersdk.plaintext import plain
from hypersdk.verbs.nodes import schedulable
from hypersdk.verbs.operation import cancel


async def cordon(session: Session, arguments: argparse.Namespace) -> int:
    """Let no new VM be placed on a node, or let them be again."""
    node = await session.client.get(VM_NODES, "", arguments.node)
    outcome = await schedulable(session.client, node, arguments.command == "uncordon")
    print(f"vmnode.hypersdk.io/{outcome.message}")
    return Exit.OK


async def cancel_operation(session: Session, arguments: argparse.Namespace) -> int:
    """End an operation, and wait for its end."""
    op = await session.client.get(VM_OPERATIONS, session.namespace, arguments.op)
    if op.phase.is_over:
        print(f"hyperctl: {arguments.op} is over already: it is {op.phase}", file=sys.stderr)
        return Exit.FAILED
    outcome = await cancel(session.client, op, Teller())
    if outcome.ok:
        print(f"vmoperation.hypersdk.io/{arguments.op}: {plain(outcome.message)}")
        return Exit.OK
    print(f"hyperctl: cancel {arguments.op} failed: {plain(outcome.message)}", file=sys.stderr)
    return Exit.FAILED
