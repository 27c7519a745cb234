"""Who makes the empty layers that a snapshot needs? qemu-img, while the guest's agent still gathers what it holds.

libvirt would make them after that, one by one, with the guest standing still.
"""

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from hypersdk.errors import Transient

LONGEST_S = 30.0
_ALONE = ("setpriv", "--pdeathsig", "KILL", "--")
"""It dies with the controller: its successor does not find a file that somebody still makes."""
_PRIVATE = 0o600
"""Until libvirt gives it to the user that QEMU runs as."""

Making = Mapping[str, "subprocess.Popen[bytes]"]


@contextmanager
def blank_layers(below: Mapping[str, str]) -> Iterator[Callable[[], None]]:
    """Begin to make layers, each over the qcow2 file that it is to stand on; what is yielded waits until all are there.

    Transient when one cannot be made, also because a file of its name is there: it may be in use.
    """
    making: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for layer, file in below.items():
            making[layer] = _begin(layer, file)
        yield partial(_wait, making)
    finally:
        for process in making.values():
            process.kill()  # nothing, for one that is over
            process.communicate()


def _begin(layer: str, below: str) -> "subprocess.Popen[bytes]":
    if Path(layer).exists():
        raise Transient(f"{layer} is there already")
    made = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", below, "--", layer]
    return subprocess.Popen([*_ALONE, *made], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _wait(making: Making) -> None:
    until = time.monotonic() + LONGEST_S
    for layer, process in making.items():
        try:
            _, words = process.communicate(timeout=max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired as error:
            raise Transient(f"the layer {layer} could not be made within {LONGEST_S:.0f} s") from error
        if process.returncode != 0:
            said = words.decode(errors="replace").strip()
            raise Transient(f"the layer {layer} could not be made: {said or f'exit code {process.returncode}'}")
        Path(layer).chmod(_PRIVATE)
