"""Which commands are there after `hyperctl k8s`, and what does a command line ask for?"""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hyperctl.k8s.backup_grammar import backup_commands, restore_commands
from hyperctl.k8s.parser import (
    EXITS,
    Grammar,
    command,
    flag,
    for_list,
    for_one,
    group,
    option,
)
from hyperctl.k8s.vm_grammar import vm_commands
from hypersdk.errors import UsageError

if TYPE_CHECKING:
    from hyperctl.k8s.parser import Commands


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The command line taken apart; what stands after `--` is in `.words`, for the guest."""
    own, after = list(words), []
    if "--" in own:
        at = own.index("--")
        own, after = own[:at], own[at + 1 :]
    parsed = grammar().parse_args(_of_the_other_grammar(own))
    if after and parsed.command != "ssh":
        raise UsageError(f"{parsed.group} {parsed.command} takes nothing after --")
    parsed.words = after
    return parsed


def _of_the_other_grammar(words: list[str]) -> list[str]:
    """`-op vm-start -vm X …`, as some scripts have it, in the words of this one: `vm start X …`."""
    given = {at: word for at, word in enumerate(words[:-1]) if word.lstrip("-") in {"op", "vm"} and word[:1] == "-"}
    operation = next((at for at, word in given.items() if word.lstrip("-") == "op"), None)
    if operation is None:
        return words
    kind, _, verb = words[operation + 1].partition("-")
    names = [words[at + 1] for at in given if at != operation]
    taken = {place for at in given for place in (at, at + 1)}
    return [*filter(None, (kind, verb)), *names, *(word for at, word in enumerate(words) if at not in taken)]


def grammar() -> Grammar:
    """The parser of everything after `hyperctl k8s`: the object is in `.group`, the command in `.command`."""
    top = Grammar(
        prog="hyperctl k8s",
        description="Virtual machines on an API server.",
        epilog=EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    groups = top.add_subparsers(dest="group", metavar="OBJECT", required=True, parser_class=Grammar)
    vm_commands(group(groups, "vm", "virtual machines"))
    _nodes(group(groups, "node", "hypervisor hosts"))
    _operations(group(groups, "op", "operations on virtual machines"))
    _templates(group(groups, "template", "templates of virtual machines"))
    backup_commands(group(groups, "backup", "backups of virtual machines"))
    restore_commands(group(groups, "restore", "virtual machines made of backups"))
    _apply(command(groups, "apply", "make or change objects from files", "apply -f vm.yaml"))
    return top


def _nodes(commands: "Commands") -> None:
    for_list(command(commands, "list", "show the hosts", "node list -o wide"), namespaced=False)
    for_one(command(commands, "get", "show one host", "node get node-1 -o yaml"), "node")
    for word, what in (
        ("cordon", "place no new virtual machines on a host"),
        ("uncordon", "let virtual machines be placed on a host again"),
    ):
        command(commands, word, what, f"node {word} node-1").add_argument("node", metavar="NAME")


def _operations(commands: "Commands") -> None:
    listing = command(commands, "list", "show operations", "op list -vm my-vm")
    for_list(listing)
    option(listing, "vm", "only those of this virtual machine", "")
    for_one(command(commands, "get", "show one operation", "op get my-vm-start-1770206400000 -o yaml"), "op")
    ending = command(commands, "cancel", "end an operation, and wait for its end", "op cancel my-vm-stop-1770206400000")
    ending.add_argument("op", metavar="NAME")


def _templates(commands: "Commands") -> None:
    for_list(command(commands, "list", "show templates", "template list -A"))
    for_one(command(commands, "get", "show one template", "template get ubuntu-22-04 -o yaml"), "template")
    example = "template create -name my-template -from my-vm"
    making = command(commands, "create", "make a template, and wait until VMs can be made of it", example)
    option(making, "name", "its name")
    what = "the VM, which is off, whose first disk becomes the image"
    making.add_argument("-from", "--from", dest="vm", metavar="VM", default="", help=what)
    option(making, "from-snapshot", "a VMSnapshot, as whose VM's first disk was then the image is; the VM may run", "")
    option(making, "image", "a URL or a name from the catalogue, instead of a VM", "")
    option(making, "to", "s3://BUCKET/KEY, where the image made of a VM or a snapshot goes for all nodes", "")
    option(making, "secret", "with -to or an s3:// image, the Secret with an account of the store", "")
    option(making, "display-name", "what people read; the name when left out", "")
    option(making, "description", "a sentence about it", "")


def _apply(parser: Grammar) -> None:
    what = "a file of YAML or JSON, a folder of them, or - for standard input; may be given again"
    parser.add_argument("-f", "-filename", "--filename", metavar="FILE", action="append", required=True, help=what)
    flag(parser, "force-conflicts", "take over fields that another program manages")
    flag(parser, "dry-run", "let the API check everything and keep nothing")
    parser.set_defaults(command="")
