"""How a command line is taken apart: argparse with long options of one dash or two, flags anywhere, no guessing.

argparse would read `-node x` as `-n ode` where only `-n` is declared; here that is an error.
"""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias

from hypersdk.errors import UsageError

EXITS: Final = """exit codes:
  0    done
  1    it was tried and did not come about, or not in time
  2    the command line makes no sense
  3    there is no such object
  4    the API refuses
  5    nothing answers at the API's address, or there is no kubeconfig
  130  ended with Ctrl-C"""
OUTPUTS: Final = ("table", "wide", "json", "yaml", "name", "jsonpath=")

if TYPE_CHECKING:
    Commands: TypeAlias = "argparse._SubParsersAction[Grammar]"


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


def group(parent: "Commands", name: str, help_text: str) -> "Commands":
    """A word such as `vm` that commands follow; the command goes into `.command`."""
    parser = parent.add_parser(
        name,
        help=help_text,
        description=f"{help_text.capitalize()}.",
        epilog=EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Grammar)


def command(commands: "Commands", name: str, help_text: str, example: str) -> Grammar:
    """A command with the options that say which API and namespace; `example` is what follows `hyperctl k8s`."""
    parser = commands.add_parser(
        name,
        help=help_text,
        description=f"{help_text[:1].upper()}{help_text[1:]}.",
        epilog=f"example:\n  hyperctl k8s {example}\n\n{EXITS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-n", "-namespace", "--namespace", metavar="NAMESPACE", help="the context's when left out")
    option(parser, "context", "another context of the kubeconfig than its current one", "")
    option(parser, "kubeconfig", "the file; else $KUBECONFIG, the embedded API's, ~/.kube/config", "")
    return parser


def option(parser: Grammar, name: str, help_text: str, default: str | None = None) -> None:
    """An option with a value, spelled `-name` or `--name`."""
    # argparse would fill in what stands after a percent sign.
    words = help_text.replace("%", "%%")
    parser.add_argument(f"-{name}", f"--{name}", help=words, default=default, metavar="VALUE")


def flag(parser: Grammar, name: str, help_text: str) -> None:
    """An option without a value, spelled `-name` or `--name`."""
    parser.add_argument(f"-{name}", f"--{name}", help=help_text, action="store_true")


def output(parser: Grammar) -> None:
    """`-o`: how objects are printed."""
    forms = "table, wide, json, yaml, name or jsonpath=TEMPLATE"
    parser.add_argument("-o", "-output", "--output", type=_form, default="table", metavar="FORM", help=forms)


def watch(parser: Grammar, help_text: str) -> None:
    """`-w`: go on."""
    parser.add_argument("-w", "-watch", "--watch", action="store_true", help=help_text)


def selector(parser: Grammar) -> None:
    """`-l`: of which objects."""
    what = "those with the labels, such as app=web"
    parser.add_argument("-l", "-selector", "--selector", default="", metavar="LABELS", help=what)


def everywhere(parser: Grammar) -> None:
    """`-A`: in which namespaces."""
    parser.add_argument("-A", "-all-namespaces", "--all-namespaces", action="store_true", help="of every namespace")


def for_list(parser: Grammar, namespaced: bool = True) -> None:
    """The options of a list of objects."""
    if namespaced:
        everywhere(parser)
    selector(parser)
    output(parser)
    watch(parser, "go on with what changes")


def for_one(parser: Grammar, name: str) -> None:
    """The name of one object, and how it is shown."""
    parser.add_argument(name, metavar="NAME")
    output(parser)
    watch(parser, "go on with what changes")


def _form(text: str) -> str:
    """A form of output that exists; a wrong template is told now, before anything is asked of the API."""
    if text.startswith("jsonpath="):
        from hyperctl.k8s.jsonpath import template

        template(text.removeprefix("jsonpath="))
    elif text not in OUTPUTS:
        raise argparse.ArgumentTypeError(f"invalid choice: {text!r} (choose from {', '.join(OUTPUTS)}TEMPLATE)")
    return text
