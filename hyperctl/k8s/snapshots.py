"""`vm snapshot`: create, list, restore, delete."""

import argparse
import sys

from hyperctl.exits import Exit
from hyperctl.k8s.acting import Teller, do
from hyperctl.k8s.reading import shown
from hyperctl.k8s.session import Session
from hyperctl.k8s.watching import Selection, listed
from hypersdk.errors import UsageError
from hypersdk.model.kinds import VM_SNAPSHOTS
from hypersdk.model.vmsnapshot import VMSnapshot
from hypersdk.plaintext import plain
from hypersdk.verbs.snapshots import delete
from hypersdk.verbs.table import VERBS


async def answer(session: Session, arguments: argparse.Namespace) -> int:
    """Do what the word after `vm snapshot` says."""
    if arguments.deed == "list":
        return await _list(session, arguments)
    if arguments.deed == "delete":
        return await _delete(session, arguments)
    if arguments.deed == "restore":
        await _named(session, arguments)
    chosen = next(verb for verb in VERBS if verb.words == ("snapshot", arguments.deed))
    return await do(session, arguments, chosen)


async def _list(session: Session, arguments: argparse.Namespace) -> int:
    which = Selection(session.namespace, "", f"spec.vmRef.name={arguments.vm}")
    found = sorted(await listed(session.client, VM_SNAPSHOTS, which), key=lambda one: one.key)
    await shown(session, VM_SNAPSHOTS, which, found, arguments, f"no snapshots of {arguments.vm}")
    return Exit.OK


async def _named(session: Session, arguments: argparse.Namespace) -> VMSnapshot:
    """The snapshot that the line names; NotFound before anything is asked for, and UsageError for another VM's."""
    name = (arguments.snapshot or "").replace("%", arguments.vm)
    if not name:
        raise UsageError(f"{arguments.deed} which snapshot of {arguments.vm}? Say -snapshot and its name")
    found = await session.client.get(VM_SNAPSHOTS, session.namespace, name)
    if found.spec.vm_ref.name != arguments.vm:
        raise UsageError(f"snapshot {name} is of {found.spec.vm_ref.name}, not of {arguments.vm}")
    return found


async def _delete(session: Session, arguments: argparse.Namespace) -> int:
    found = await _named(session, arguments)
    name = found.metadata.name
    outcome = await delete(session.client, found, Teller())
    if outcome.ok:
        print(f"vmsnapshot.hypersdk.io/{plain(outcome.message)}")
        return Exit.OK
    print(f"hyperctl: {name} is not deleted yet: {plain(outcome.message)}", file=sys.stderr)
    return Exit.FAILED
