"""`vm why`: why a VM is not well, and the command that mends it."""

import argparse
import json
import shlex
import sys
from dataclasses import asdict
from datetime import UTC, datetime

from hyperctl.exits import Exit
from hyperctl.k8s.session import Session
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.plaintext import plain
from hypersdk.verbs.table import verb
from hypersdk.why.diagnosis import Diagnosis, Link, Mend
from hypersdk.why.reading import facts_of
from hypersdk.why.verdict import diagnose


async def why(session: Session, arguments: argparse.Namespace) -> int:
    """Print the diagnosis of one VM."""
    facts = await facts_of(session.client, session.namespace, arguments.vm, datetime.now(UTC))
    found = diagnose(facts)
    if arguments.output == "json":
        sys.stdout.write(json.dumps(asdict(found), indent=2) + "\n")
    else:
        sys.stdout.write(told(found, facts.vm))
    return Exit.OK


def told(found: Diagnosis, vm: VirtualMachine) -> str:
    """The diagnosis for a person: the sentence, what helps, then the chain."""
    lines = [f"{plain(vm.metadata.name)}: {plain(found.sentence)}"]
    if help_line := mending(found.mend, vm):
        lines.append(f"what helps: {help_line}")
    return "\n".join([*lines, "", *(row for link in found.chain for row in _rows(link))]) + "\n"


def mending(mend: Mend, vm: VirtualMachine) -> str:
    """The command that mends it, or words; empty when there is nothing to mend."""
    if not mend.verb:
        return mend.advice
    return shlex.join(verb(mend.verb).command(vm, {"force": True} if mend.force else {}))


def _rows(link: Link) -> list[str]:
    head = f"{link.level.value:<10} {link.verdict.value:<8} "
    return [head + plain(link.words), *(" " * len(head) + plain(words) for words in link.detail)]
