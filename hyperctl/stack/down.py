"""`hyperctl down`: stops what `hyperctl up` started, the guests first and gently; the VM objects stay as they are."""

import argparse
import signal
import sys
import time
from collections.abc import Mapping, Sequence

from hyperctl.stack import state
from hyperctl.stack.libvirtd import answers, libvirt_uri, wait_ready
from hyperctl.stack.part import Part
from hyperctl.stack.privilege import as_root
from hyperctl.stack.process import identify, kill_by, plain_kill
from hyperctl.stack.supervisor import lock_holder
from hyperctl.stack.talk import Talk, Tell
from hyperctl.stack.virsh import active_domains, destroy_everything, virsh
from hypersdk.errors import HyperSDKError
from hypersdk.settings import Places, places

_GUESTS_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 15.0
_ASK_TIMEOUT_S = 10.0
_REVIVAL_TIMEOUT_S = 30.0
_POLL_S = 0.2
_ASKED_AGAIN_AFTER_S = 5.0


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run `hyperctl down`."""
    options = _parser().parse_args(arguments)
    here = places(environ)
    talk = Talk(sys.stderr)
    if not here.state.exists():
        talk.say(f"Nothing to stop: there is no {here.state}")
        return 0
    with state.locked(here):
        _stop(here, options.wait, talk)
        if options.purge:
            with talk.step("purge") as tell:
                state.purge(here)
                tell(f"removed {here.state}; built images stay cached in {here.cache}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hyperctl down",
        description="Stops the guests, the controller, the API and our libvirtd; VMs stay defined.",
    )
    parser.add_argument("--purge", action="store_true", help="remove the VMs, their disks and everything else as well")
    parser.add_argument("--wait", type=float, default=_GUESTS_TIMEOUT_S, metavar="S", help="for guests to shut down")
    return parser


def _stop(here: Places, patience: float, talk: Talk) -> None:
    # The controller goes first: it would start again what it sees going off.
    with talk.step("controller") as tell:
        _stop_plain(here, "controller", tell)
    with talk.step("guests") as tell:
        _stop_guests(here, patience, tell)
    with talk.step("api") as tell:
        _stop_plain(here, "api", tell)
    with talk.step("libvirt") as tell:
        _stop_libvirt(here, tell)


def _stop_plain(here: Places, name: str, tell: Tell) -> None:
    part = Part.of(here, name)
    if part.process is not None:
        tell("stopping")
    tell("stopped" if part.stop(plain_kill, _STOP_TIMEOUT_S) else "does not run")


def _stop_guests(here: Places, patience: float, tell: Tell) -> None:
    part, uri = Part.of(here, "libvirt"), libvirt_uri(here.libvirt)
    if part.process is None:
        other = part.fact("uri") not in {"", uri}
        tell(f"left running on {part.fact('uri')}" if other else "none, as our libvirtd does not run")
        return
    if not answers(uri, _ASK_TIMEOUT_S):
        _revive(here, tell)
    left = shut_down(uri, patience, tell)
    destroy_everything(uri)
    tell(f"{left} did not shut down in {patience:.0f} s, power cut" if left else "off")


def _revive(here: Places, tell: Tell) -> None:
    """Kill a libvirtd that hangs: its supervisor starts another one, which finds the guests."""
    tell("libvirtd does not answer, starting it again")
    if hanging := identify(lock_holder(here.libvirt / "run/libvirtd.pid")):
        kill_by(as_root("ending libvirtd"))(hanging, signal.SIGKILL)
    try:
        wait_ready(here.libvirt, _REVIVAL_TIMEOUT_S)
    except TimeoutError as error:
        log = Part.of(here, "libvirt").log
        raise HyperSDKError(f"{error}, so its guests cannot be stopped; see {log}") from error


def shut_down(uri: str, patience: float, tell: Tell) -> int:
    """Ask every guest to shut down, again from time to time as one that boots does not listen; how many are left."""
    deadline, ask_at = time.monotonic() + patience, 0.0
    while (running := active_domains(uri)) and (now := time.monotonic()) < deadline:
        if now >= ask_at:
            ask_at = now + _ASKED_AGAIN_AFTER_S
            for domain in running:
                _ask_to_shut_down(uri, domain)
        tell(f"shutting down {len(running)}")
        time.sleep(_POLL_S)
    return len(running)


def _ask_to_shut_down(uri: str, domain: str) -> None:
    try:
        virsh(uri, "shutdown", domain)
    except HyperSDKError:
        # Paused, without an agent, or off in between: the deadline decides.
        return


def _stop_libvirt(here: Places, tell: Tell) -> None:
    part = Part.of(here, "libvirt")
    if part.process is None:
        other = part.fact("uri") not in {"", libvirt_uri(here.libvirt)}
        tell(f"{part.fact('uri')} is not ours, left alone" if other else "does not run")
        return
    tell("stopping")
    part.stop(kill_by(as_root("stopping libvirtd")), _STOP_TIMEOUT_S)
    tell("stopped")
