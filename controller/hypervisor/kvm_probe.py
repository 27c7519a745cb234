"""Does KVM work on this host? Found out by using it: a boot sector that ends QEMU from inside the guest.

A `/dev/kvm` that is there proves nothing: below another hypervisor it may hang its guests, or run them a thousand
times slower than QEMU alone does, which takes 0.6 s for this one.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

DEVICE = Path("/dev/kvm")
QEMU = "qemu-system-x86_64"
TIMEOUT_S = 5.0

_CODE = bytes.fromhex(
    "31c0 8ed8"  # ds = 0
    "8b1e6c04"  # bx = the BIOS' count of timer ticks
    "fb f4 a16c04 29d8 83f803 72f5"  # halt until three more have come: interrupts work
    "66b980f0fa02 6649 75fc"  # count down from 50 million: instructions run on the CPU, and are not emulated one by one
    "baf400 b010 ee f4 ebfd"  # end QEMU, or halt where that is not possible
)
_EXIT_STATUS = 0x10 << 1 | 1
"""What isa-debug-exit makes of the 0x10 that the guest writes; QEMU itself never ends with it."""
_USELESS = f"{DEVICE} is there, but a guest does not run under it"


@dataclass(frozen=True)
class Probe:
    """Whether KVM ran a guest, and how that is known."""

    works: bool
    reason: str


async def probe_kvm(device: Path = DEVICE, qemu: str = QEMU, timeout_s: float = TIMEOUT_S) -> Probe:
    """Run the boot sector on KVM; never raises, and takes little longer than the deadline."""
    binary = shutil.which(qemu)
    if binary is None:
        return Probe(False, f"{qemu} is not installed")
    if obstacle := _obstacle(device):
        return Probe(False, obstacle)
    with tempfile.NamedTemporaryFile(prefix="hypersdk-kvm-", suffix=".img") as image:
        image.write(boot_sector())
        image.flush()
        return await run_sector(command(binary, image.name, "kvm"), timeout_s)


def _obstacle(device: Path) -> str:
    if not device.exists():
        return f"there is no {device} on this host"
    if not os.access(device, os.R_OK | os.W_OK):
        return f"{device} may not be opened by this user; add it to the group kvm"
    return ""


def boot_sector() -> bytes:
    """512 bytes that a BIOS starts, and that end QEMU with a status of our own."""
    return _CODE.ljust(510, b"\0") + b"\x55\xaa"


def command(binary: str, image: str, accelerator: str) -> list[str]:
    """The QEMU that runs the sector, with nothing else and no way to fall back to another accelerator."""
    return [
        *(binary, "-accel", accelerator, "-m", "16", "-display", "none", "-nodefaults", "-no-user-config"),
        *(
            "-drive",
            f"file={image},format=raw,if=ide",
            "-no-reboot",
            "-monitor",
            "none",
            "-serial",
            "none",
        ),
        *("-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"),
    ]


async def run_sector(line: Sequence[str], timeout_s: float) -> Probe:
    """What the QEMU with that command line shows."""
    process = await asyncio.create_subprocess_exec(
        *line, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(timeout_s):
            _, told = await process.communicate()
    except TimeoutError:
        return Probe(False, f"{_USELESS}: it took more than {timeout_s:g} s for the work of a moment")
    finally:
        await _end(process)
    if process.returncode == _EXIT_STATUS:
        return Probe(True, "a guest ran on KVM")
    last = told.decode(errors="replace").strip().splitlines()[-1:] or [f"QEMU ended with {process.returncode}"]
    return Probe(False, f"{_USELESS}: {last[0]}")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.kill()
    # A process that hangs inside the kernel's KVM dies when the kernel lets it; not waited for longer than this.
    with suppress(TimeoutError):
        async with asyncio.timeout(1.0):
            await process.wait()
