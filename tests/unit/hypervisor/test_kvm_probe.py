"""Whether the probe believes a guest that ran, and nothing else."""

import asyncio
import shutil
from pathlib import Path

import pytest

from controller.hypervisor.kvm_probe import Probe, boot_sector, command, probe_kvm, run_sector

USELESS = "/dev/kvm is there, but a guest does not run under it"
_QEMUS = {
    "exits as the sector does": ("exit 33", Probe(True, "a guest ran on KVM")),
    "has no KVM": (
        "echo 'failed to initialize kvm' >&2; exit 1",
        Probe(False, f"{USELESS}: failed to initialize kvm"),
    ),
    "ends well": ("exit 0", Probe(False, f"{USELESS}: QEMU ended with 0")),
}


@pytest.mark.parametrize("case", _QEMUS)
async def test_what_qemu_does_decides(tmp_path: Path, case: str) -> None:
    script, expected = _QEMUS[case]

    assert await probe_kvm(Path("/dev/null"), _qemu(tmp_path, script), 5) == expected


async def test_guest_that_hangs_is_given_up(tmp_path: Path) -> None:
    async with asyncio.timeout(5):
        probe = await probe_kvm(Path("/dev/null"), _qemu(tmp_path, "exec sleep 60"), 0.2)

    assert probe == Probe(False, f"{USELESS}: it took more than 0.2 s for the work of a moment")


async def test_host_without_kvm(tmp_path: Path) -> None:
    assert not (await probe_kvm(tmp_path / "kvm", _qemu(tmp_path, "exit 33"))).works
    assert not (await probe_kvm(Path("/dev/null"), str(tmp_path / "no-qemu"))).works


async def test_sector_really_runs(tmp_path: Path) -> None:
    image = tmp_path / "probe.img"
    image.write_bytes(boot_sector())
    qemu = shutil.which("qemu-system-x86_64")
    assert qemu is not None

    assert (await run_sector(command(qemu, str(image), "tcg"), 9)).works


def _qemu(folder: Path, script: str) -> str:
    stand_in = folder / "qemu"
    stand_in.write_text(f"#!/bin/sh\n{script}\n")
    stand_in.chmod(0o755)
    return str(stand_in)
