"""`hyperctl`: which sub-command was asked for? Each is imported only when it runs."""

import os
import sys
from collections.abc import Sequence

from hyperctl.exits import Exit, exit_of
from hypersdk.errors import HyperSDKError

COMMANDS = {
    "up": "start what is missing of the local stack, and open the console",
    "down": "stop the local stack and its guests; --purge removes it",
    "status": "show each part of the local stack with its pid, address and health",
    "kubeconfig": "print the path of the local stack's kubeconfig",
    "agent": "check this node: agent selftest [--kill N]",
    "k8s": "work with objects of an API: k8s vm, node, op, template, apply",
    "completion": "print the completion script of a shell: completion bash, zsh, fish",
}
_INTERRUPTED = 130
_COMPLETE = "__complete"
"""For the completion scripts of shells, not for people."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _said(words)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # who read us has gone: nothing is left to say
        return Exit.OK
    except Exception as error:
        from hyperctl.bug import keep

        print(f"hyperctl: {keep(error)}", file=sys.stderr)
        return Exit.FAILED
    return code


def _said(words: list[str]) -> int:
    """Run, with every foreseen error told in a sentence."""
    if not words or words[0] in {"-h", "--help", "help"}:
        print(usage())
        return Exit.OK if words else Exit.USAGE
    if words[0] == _COMPLETE:
        return _complete(words[1:])
    if words[0] not in COMMANDS:
        print(f"hyperctl: there is no command '{words[0]}'\n\n{usage()}", file=sys.stderr)
        return Exit.USAGE
    try:
        return _run(words[0], words[1:])
    except HyperSDKError as error:
        print(f"hyperctl: {error}", file=sys.stderr)
        return exit_of(error)


def kubectl_vm() -> int:
    """`kubectl vm …`: the same as `hyperctl k8s vm …`; kubectl finds the program by its name, kubectl-vm."""
    return main(["k8s", "vm", *sys.argv[1:]])


def _complete(words: list[str]) -> int:
    from hyperctl.k8s.completing import candidates

    for word in candidates(COMMANDS, words):
        print(word)
    return Exit.OK


def usage() -> str:
    """What `hyperctl --help` says."""
    lines = "\n".join(f"  {name:<12}{what}" for name, what in COMMANDS.items())
    return f"usage: hyperctl COMMAND ...\n\n{lines}\n\n'hyperctl COMMAND --help' tells more of each."


def _run(command: str, words: list[str]) -> int:
    match command:
        case "up":
            from hyperctl.stack import up

            return up.main(words, os.environ)
        case "down":
            from hyperctl.stack import down

            return down.main(words, os.environ)
        case "status":
            from hyperctl.stack import status

            return status.main(words, os.environ)
        case "kubeconfig":
            from hyperctl.stack import kubeconfig

            return kubeconfig.main(words, os.environ)
        case "agent":
            from hyperctl.agent.main import main as agent

            return agent(words)
        case "completion":
            from hyperctl.k8s import completion

            return completion.main(words)
        case _:
            from hyperctl.k8s.main import run

            return run(words)


if __name__ == "__main__":
    sys.exit(main())
