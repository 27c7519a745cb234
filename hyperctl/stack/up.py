"""`hyperctl up`: brings up whatever of the local stack is not there yet, and opens the console on it."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from hyperctl.stack import library, local_api, local_controller, local_libvirt, packages, state
from hyperctl.stack.talk import Talk
from hypersdk.settings import Places, places

_GUESTS_TIMEOUT_S = 180.0


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run `hyperctl up`; with HEADLESS=1 it ends when the guests answer instead of opening the console."""
    options = _parser().parse_args(arguments)
    here = places(environ)
    talk = Talk(sys.stderr)
    _bring_up(here, options, environ, talk)
    if environ.get("HEADLESS", "") not in {"", "0"}:
        _await_guests(here, options.wait, talk)
        talk.say(f"export KUBECONFIG={here.kubeconfig}")
        return 0
    return _open_console(here, talk)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hyperctl up",
        description="Brings up libvirt, the embedded API and the controller of this host in the background, "
        "with two example VMs, and opens the console. What runs already is left alone.",
    )
    parser.add_argument("--libvirt-uri", default="", help="use this libvirtd, and start none (HYPERSDK_LIBVIRT_URI)")
    parser.add_argument("--virt-type", choices=("auto", "kvm", "qemu"), default="auto", help="default: %(default)s")
    parser.add_argument("--port", type=int, default=0, help="port of the API on 127.0.0.1; any free one by default")
    parser.add_argument(
        "--bridge", action="append", default=[], metavar="NAME", help="a bridge VMs may be put on; repeatable, kept"
    )
    parser.add_argument(
        "--backup-folder", action="append", default=[], metavar="DIR", type=_folder,
        help="a folder backups may be stored in; repeatable, kept",
    )  # fmt: skip
    parser.add_argument("--example", action="store_true", help="make the example's VMs again if they were deleted")
    parser.add_argument(
        "--wait", type=float, default=_GUESTS_TIMEOUT_S, metavar="S", help="with HEADLESS=1: for guests"
    )
    return parser


def _folder(words: str) -> str:
    """An absolute path of a folder that is there: made by us, it could be on another disk than was meant."""
    if not Path(words).is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {words}: make it first")
    return str(Path(words).absolute())


def _bring_up(here: Places, options: argparse.Namespace, environ: Mapping[str, str], talk: Talk) -> None:
    with talk.step("packages") as tell:
        packages.ensure(tell)
    with talk.step("state") as tell:
        state.prepare(here)
        tell(str(here.state))
    with state.locked(here):
        with talk.step("image") as tell:
            library.ensure(here, tell)
        with talk.step("libvirt") as tell:
            named = options.libvirt_uri or environ.get("HYPERSDK_LIBVIRT_URI", "")
            uri = local_libvirt.ensure(here, named, options.virt_type, tell)
        with talk.step("api") as tell:
            url = local_api.ensure(here, options.port, tell)
        with talk.step("controller") as tell:
            grants = local_controller.Grants(options.bridge, options.backup_folder)
            local_controller.ensure(here, url, uri, options.virt_type, grants, tell)
        _apply_example(here, options.example, talk)


def _apply_example(here: Places, again: bool, talk: Talk) -> None:
    from hyperctl.stack import example

    applied = here.node / "example-applied"
    with talk.step("example") as tell:
        if applied.exists() and not again:
            tell("applied before, not again (--example does)")
            return
        example.apply(here.kubeconfig, tell)
        applied.touch()


def _await_guests(here: Places, timeout: float, talk: Talk) -> None:
    from hyperctl.stack import example
    from hypersdk.errors import HyperSDKError

    with talk.step("guests") as tell:
        try:
            example.await_guests(here.kubeconfig, timeout, tell)
        except HyperSDKError as error:
            raise HyperSDKError(f"{error}. The logs are in {here.log}; 'hyperctl status' tells of the parts") from error


def _open_console(here: Places, talk: Talk) -> int:
    if not sys.stdout.isatty():
        talk.say(f"No terminal here, so no console. It opens with: hypersdk --kubeconfig {here.kubeconfig}")
        return 0
    talk.say("The VMs run on when the console is closed; 'hyperctl down' ('make down') stops them.")
    program = Path(sys.executable).with_name("hypersdk")
    os.execv(program, [str(program), "--kubeconfig", str(here.kubeconfig)])
