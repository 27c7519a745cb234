"""The document's grammar on argparse: long options with one dash or two, flags anywhere, no guessing.

argparse would read `-node x` as `-n ode` where only `-n` is declared; here that is an error.
"""

import argparse
from collections.abc import Sequence
from typing import Final, NoReturn

from hypersdk.errors import UsageError
from hypersdk.verbs.table import VERBS
from hypersdk.verbs.verb import Verb

OUTPUTS: Final = ("table", "wide", "json", "yaml", "name")
DEVICES: Final = ("serial0", "console1")
CONSOLE_KEYS: Final = "Ctrl-] leaves; Ctrl-^ t asks for the keyboard, Ctrl-^ y gives it, Ctrl-^ n keeps it"
EPILOG: Final = (
    "exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 refused by the API, 5 no answer from the API"
)


class Grammar(argparse.ArgumentParser):
    """A parser that raises UsageError instead of ending the program."""

    def error(self, message: str) -> NoReturn:
        """A wrong command line."""
        raise UsageError(f"{message}\n{self.format_usage().strip()}\ntry '{self.prog} --help'")

    def parse_known_args(  # type: ignore[override]  # narrower on purpose: our callers give lists of words
        self, args: Sequence[str], namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse, after a look for options that argparse would misread as a short one with a value."""
        for word in args:
            self._refuse_run_together(word)
        return super().parse_known_args(args, namespace)

    def _refuse_run_together(self, word: str) -> None:
        option = word.split("=", 1)[0]
        short = len(option) > 2 and option[0] == "-" and option[1] != "-"
        if short and self._subparsers is None and option not in self._option_string_actions:
            known = ", ".join(sorted({o for o in self._option_string_actions if o.startswith("-") and len(o) > 2}))
            self.error(f"there is no option {option} here; there are: {known}")


def option(parser: argparse.ArgumentParser, name: str, help_text: str, default: str | None = None) -> None:
    """An option with a value, spelled `-name` or `--name`."""
    parser.add_argument(f"-{name}", f"--{name}", help=help_text, default=default, metavar="VALUE")


def flag(parser: argparse.ArgumentParser, name: str, help_text: str) -> None:
    """An option without a value, spelled `-name` or `--name`."""
    parser.add_argument(f"-{name}", f"--{name}", help=help_text, action="store_true")


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The command line taken apart; what stands after `--` is in `.words`, for the guest."""
    own, after = list(words), []
    if "--" in own:
        at = own.index("--")
        own, after = own[:at], own[at + 1 :]
    parsed = grammar().parse_args(own)
    if after and parsed.command != "ssh":
        raise UsageError(f"vm {parsed.command} takes nothing after --")
    parsed.words = after
    return parsed


def grammar() -> Grammar:
    """The parser of everything after `hyperctl k8s`; the command is in `.command`."""
    top = Grammar(prog="hyperctl k8s", description="Virtual machines on an API server.", epilog=EPILOG)
    groups = top.add_subparsers(dest="group", metavar="OBJECT", required=True, parser_class=Grammar)
    vm = groups.add_parser("vm", help="virtual machines", description="Virtual machines.", epilog=EPILOG)
    commands = vm.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Grammar)
    _create(_command(commands, "create", "make a virtual machine"))
    _list(_command(commands, "list", "show virtual machines"))
    _named(get := _command(commands, "get", "show one virtual machine"))
    _output(get)
    _named(why := _command(commands, "why", "tell why a virtual machine is not well, and what helps"))
    why.add_argument("-o", "-output", "--output", choices=("text", "json"), default="text")
    for verb in VERBS:
        _verb(commands, verb)
    _console(_command(commands, "console", f"attach to a console. {CONSOLE_KEYS}"))
    _logs(_command(commands, "logs", "print QEMU's log, or what the guest wrote to its serial port"))
    _screenshot(_command(commands, "screenshot", "save what is on the screen as a PNG file"))
    _ssh(_command(commands, "ssh", "open a shell in the guest, or run what stands after --, tunnelled through the API"))
    _forward(_command(commands, "portforward", "connect standard input and output to a port of the guest"))
    return top


def _command(commands: "argparse._SubParsersAction[Grammar]", name: str, help_text: str) -> Grammar:
    parser = commands.add_parser(name, help=help_text, description=f"{help_text.capitalize()}.", epilog=EPILOG)
    parser.add_argument("-n", "-namespace", "--namespace", metavar="NAMESPACE", help="the context's when left out")
    option(parser, "context", "another context of the kubeconfig than its current one", "")
    option(parser, "kubeconfig", "the file; else $KUBECONFIG, the embedded API's, ~/.kube/config", "")
    return parser


def _named(parser: Grammar) -> None:
    parser.add_argument("vm", metavar="NAME")


def _output(parser: Grammar) -> None:
    parser.add_argument("-o", "-output", "--output", choices=OUTPUTS, default="table")


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


def _list(parser: Grammar) -> None:
    parser.add_argument("-A", "-all-namespaces", "--all-namespaces", action="store_true")
    parser.add_argument("-l", "-selector", "--selector", default="", metavar="LABELS")
    _output(parser)


def _verb(commands: "argparse._SubParsersAction[Grammar]", verb: Verb) -> None:
    parser = _command(commands, verb.word, verb.help)
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
    kind.add_argument("-vnc", "--vnc", action="store_true", help="graphics; not in this version")
    flag(parser, "watch", "only look: never become the one who types")
    flag(parser, "take", "ask for the keyboard: whoever types is asked, and may keep it")
    flag(parser, "no-history", "only what comes from now on")


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
