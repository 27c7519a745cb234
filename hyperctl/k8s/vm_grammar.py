"""Which words follow `hyperctl k8s vm`?"""

from typing import TYPE_CHECKING, Final

from hyperctl.k8s.parser import Grammar, command, everywhere, flag, for_list, option, output, watch
from hypersdk.verbs.table import VERBS
from hypersdk.verbs.verb import Verb

if TYPE_CHECKING:
    from hyperctl.k8s.parser import Commands

DEVICES: Final = ("serial0", "console1")
CONSOLE_KEYS: Final = "Ctrl-] leaves; Ctrl-^ t asks for the keyboard, Ctrl-^ y gives it, Ctrl-^ n keeps it"


def vm_commands(commands: "Commands") -> None:
    """Every command of `vm`."""
    example = "vm create -name my-vm -cpus 4 -memory 8Gi -image ubuntu:22.04"
    _create(command(commands, "create", "make a virtual machine", example))
    _reading(commands)
    for verb in VERBS:
        if not verb.words:
            _verb(commands, verb)
    _snapshots(commands)
    _wait(command(commands, "wait", "wait until something is so", "vm wait my-vm -for condition=Ready -timeout 60s"))
    _reaching(commands)


def _reading(commands: "Commands") -> None:
    for_list(command(commands, "list", "show virtual machines", "vm list -A -l app=web -o wide"))
    _named(get := command(commands, "get", "show one virtual machine", "vm get my-vm -o jsonpath='{.status.phase}'"))
    output(get)
    watch(get, "a line for now and for each change")
    _named(command(commands, "describe", "tell everything about a virtual machine", "vm describe my-vm"))
    _events(command(commands, "events", "show what happened, the newest last", "vm events my-vm -w"))
    _named(why := command(commands, "why", "tell why a virtual machine is not well, and what helps", "vm why my-vm"))
    why.add_argument("-o", "-output", "--output", choices=("text", "json"), default="text")


def _reaching(commands: "Commands") -> None:
    _console(command(commands, "console", f"attach to a console. {CONSOLE_KEYS}", "vm console my-vm --serial"))
    logs = "print QEMU's log, or what the guest wrote to its serial port"
    _logs(command(commands, "logs", logs, "vm logs my-vm --serial -f"))
    picture = "save what is on the screen as a PNG file"
    _screenshot(command(commands, "screenshot", picture, "vm screenshot my-vm -o screen.png"))
    shell = "open a shell in the guest, or run what stands after --, tunnelled through the API"
    _ssh(command(commands, "ssh", shell, "vm ssh my-vm -user admin -key ~/.ssh/id_rsa"))
    forward = "connect standard input and output to a port of the guest"
    _forward(command(commands, "portforward", forward, "vm portforward my-vm 22"))


def _snapshots(commands: "Commands") -> None:
    """`vm snapshot create`: the word after is in `.deed`."""
    top = commands.add_parser("snapshot", help="keep a VM's disks as they are, and return to them")
    deeds = top.add_subparsers(dest="deed", metavar="COMMAND", required=True, parser_class=Grammar)
    for verb in VERBS:
        if verb.words[:1] == ("snapshot",):
            _verb(deeds, verb)
    _named(listing := command(deeds, "list", "show a VM's snapshots", "vm snapshot list my-vm -o wide"))
    output(listing)
    watch(listing, "go on with what changes")
    disk = commands.add_parser("disk", help="the files that a VM's disks are made of")
    chains = disk.add_subparsers(dest="deed", metavar="COMMAND", required=True, parser_class=Grammar)
    _named(chain := command(chains, "chain", "draw every file of a VM's disks", "vm disk chain my-vm"))
    chain.add_argument("-o", "-output", "--output", choices=("text", "json"), default="text")
    gone = command(deeds, "delete", "merge a snapshot away", "vm snapshot delete my-vm -snapshot pre-upgrade")
    _named(gone)
    option(gone, "snapshot", "the snapshot's name")


def _named(parser: Grammar) -> None:
    parser.add_argument("vm", metavar="NAME")


def _create(parser: Grammar) -> None:
    option(parser, "name", "its name")
    option(parser, "image", "a URL or a name from the catalogue")
    option(parser, "from-template", "the VMTemplate to take image and defaults from")
    option(parser, "cpus", "vCPUs, 1 to 128; 1 when no template says otherwise")
    option(parser, "memory", "such as 8Gi; 1Gi when no template says otherwise")
    option(parser, "disk", "size of the root disk, such as 20Gi; the image's own when left out")
    option(parser, "network", "bridge:NAME for a bridge of the host; the node's own network when left out")
    option(parser, "user-data", "a file with cloud-init user-data")
    flag(parser, "stopped", "do not power it on")
    flag(parser, "wait", "end when it runs, or cannot")


def _events(parser: Grammar) -> None:
    parser.add_argument("vm", metavar="NAME", nargs="?", default="", help="of one; of all when left out")
    everywhere(parser)
    output(parser)
    watch(parser, "go on with what happens")


def _wait(parser: Grammar) -> None:
    _named(parser)
    forms = "condition=TYPE[=STATUS], phase=PHASE, jsonpath=TEMPLATE[=VALUE], or delete"
    parser.add_argument("-for", "--for", dest="awaited", metavar="WHAT", required=True, help=forms)
    option(parser, "timeout", "how long, such as 90s, 5m or 1h", "60s")


def _verb(commands: "Commands", verb: Verb) -> None:
    words = verb.words or (verb.word,)
    example = " ".join(["vm", *words, "my-vm", *(f"-{one.name} {one.name}-1" for one in verb.params if one.required)])
    parser = command(commands, words[-1], verb.help, example)
    _named(parser)
    for param in verb.params:
        if param.type == "bool":
            flag(parser, param.name, param.help)
        else:
            option(parser, param.name, param.help)


def _console(parser: Grammar) -> None:
    _named(parser)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("-serial", "--serial", action="store_true", help="the serial port, ttyS0 (the default)")
    kind.add_argument("-virtio", "--virtio", action="store_true", help="the virtio console, hvc0")
    kind.add_argument("-device", "--device", choices=DEVICES, default="serial0", help="the same by libvirt's names")
    kind.add_argument("-vnc", "--vnc", action="store_true", help="the screen, on a port of this host")
    flag(parser, "watch", "only look: never become the one who types")
    flag(parser, "take", "ask for the keyboard: whoever types is asked, and may keep it")
    flag(parser, "no-history", "only what comes from now on")
    option(parser, "port", "with --vnc, the port on 127.0.0.1; a free one when left out", "")
    option(parser, "socket", "with --vnc, a socket file that only this user can open, instead of a port", "")
    flag(parser, "viewer", "with --vnc, open remote-viewer or vncviewer, and end with it")


def _logs(parser: Grammar) -> None:
    _named(parser)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("-qemu", "--qemu", action="store_true", help="QEMU's own log (the default)")
    source.add_argument("-serial", "--serial", action="store_true", help="the serial port's output, ttyS0")
    source.add_argument("-virtio", "--virtio", action="store_true", help="the virtio console's output, hvc0")
    parser.add_argument("-f", "-follow", "--follow", action="store_true", help="go on with what is added")
    option(parser, "lines", "how many of the last lines, up to 10000", "100")


def _screenshot(parser: Grammar) -> None:
    _named(parser)
    where = "the file; - for standard output, NAME.png when left out"
    parser.add_argument("-o", "-output", "--output", metavar="FILE", default="", help=where)


def _ssh(parser: Grammar) -> None:
    _named(parser)
    option(parser, "user", "the guest's user")
    option(parser, "key", "the private key's file")
    option(parser, "port", "the guest's port", "22")


def _forward(parser: Grammar) -> None:
    _named(parser)
    parser.add_argument("port", type=int)
