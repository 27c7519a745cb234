"""Does the guest image boot, answer, take its seed and leave, under nothing but QEMU's emulator?"""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pycdlib
import pytest

from hyperctl.guest.image import build
from hypersdk.settings import places

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(120)]

SILENCE_S = 30
"""A guest that says nothing for so long has nothing more to say."""

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBxJ0z8mGJtVp1m1lq4yqJZb0Hn1b3zvJp6o0m5p8V1k ann@example"

SCRIPT = """#!/bin/sh
echo "seed script ran with $(ip -4 -o addr show dev eth0 | awk '{print $4}')" >/dev/console
"""

CLOUD_CONFIG = f"""#cloud-config
hostname: named-by-user-data
users:
  - name: ann
    ssh-authorized-keys:
      - {KEY}
ssh_authorized_keys: ["{KEY}"]
runcmd:
  - [sh, -c, 'echo "a list said $0" >/dev/console', hello]
  - echo "a line said hello" >/dev/console
"""


class Line:
    """One of the guest's byte streams, which QEMU connects to a socket of ours."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.seen = ""

    async def until(self, text: str) -> str:
        """Read until the text has come; return what came before it since the last time."""
        while text not in self.seen:
            try:
                async with asyncio.timeout(SILENCE_S):
                    chunk = await self._reader.read(4096)
            except TimeoutError:
                chunk = b""
            assert chunk, f"no {text!r} came, but this: {self.seen[-2000:]!r}"
            self.seen += chunk.decode(errors="replace")
        before, _, self.seen = self.seen.partition(text)
        return before

    async def send(self, text: str) -> None:
        self._writer.write(text.encode())
        await self._writer.drain()

    async def call(self, command: str) -> object:
        """One call in the language of QMP and of the guest agent."""
        await self.send(json.dumps({"execute": command}) + "\n")
        while True:
            answer = json.loads(await self._reader.readline())
            if "return" in answer:
                return answer["return"]
            assert "error" not in answer, answer

    async def type(self, command: str, answer: str) -> str:
        """Type a command at the prompt and wait for the answer on a line of its own."""
        await self.send(f"{command}\n")
        return await self.until(f"{answer}\r\n")


@dataclass(frozen=True)
class Guest:
    """A running machine and the lines into it."""

    process: asyncio.subprocess.Process
    serial: Line
    virtio: Line
    agent: Line
    qmp: Line


async def _listen(path: Path, stack: AsyncExitStack) -> asyncio.Future[Line]:
    """Wait for QEMU to call: nothing it says is missed, and nobody has to ask whether it is there yet."""
    arrived: asyncio.Future[Line] = asyncio.get_running_loop().create_future()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stack.callback(writer.close)
        arrived.set_result(Line(reader, writer))

    await stack.enter_async_context(await asyncio.start_unix_server(accept, path))
    return arrived


@asynccontextmanager
async def booted(folder: Path, machine: str, *, memory_mib: int, disk: Path, seed: Path) -> AsyncIterator[Guest]:
    """Run the machine; it is gone when the block ends."""
    async with AsyncExitStack() as stack:
        lines = {name: await _listen(folder / name, stack) for name in ("serial", "virtio", "agent", "qmp")}
        sockets = [word for name in lines for word in ("-chardev", f"socket,id={name},path={folder / name}")]
        process = await asyncio.create_subprocess_exec(
            "qemu-system-x86_64",
            *("-accel", "tcg", "-cpu", "max", "-machine", machine, "-m", str(memory_mib), "-nodefaults"),
            *("-display", "none", "-vga", "std", "-no-reboot", *sockets),
            *("-serial", "chardev:serial", "-mon", "qmp,mode=control"),
            *("-device", "virtio-serial", "-device", "virtconsole,chardev=virtio"),
            *("-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"),
            *("-netdev", "user,id=net,restrict=on", "-device", "virtio-net,netdev=net"),
            *("-drive", f"if=virtio,file={disk}"),
            *("-device", "virtio-scsi", "-drive", f"if=none,id=seed,media=cdrom,readonly=on,file={seed}"),
            *("-device", "scsi-cd,drive=seed"),
        )
        try:
            async with asyncio.timeout(10):
                serial, virtio, agent, qmp = [await line for line in lines.values()]
            yield Guest(process, serial, virtio, agent, qmp)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


@pytest.fixture(scope="module")
def image() -> Path:
    return build(places(os.environ).cache, tell=print)


def _overlay(image: Path, folder: Path, *size: str) -> Path:
    disk = folder / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", image, "-F", "qcow2", disk, *size], check=True)
    return disk


def _seed(folder: Path, user_data: str, host_name: str) -> Path:
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident="cidata")
    meta_data = f"instance-id: {host_name}-1\nlocal-hostname: {host_name}\n"
    for number, (name, text) in enumerate({"user-data": user_data, "meta-data": meta_data}.items()):
        content = text.encode()
        iso.add_fp(BytesIO(content), len(content), f"/FILE{number}.;1", rr_name=name, joliet_path=f"/{name}")
    path = folder / "seed.iso"
    iso.write(str(path))
    iso.close()
    return path


async def test_guest_boots_to_a_prompt_answers_and_powers_off_by_the_acpi_button(image: Path, tmp_path: Path) -> None:
    disk, seed = _overlay(image, tmp_path), _seed(tmp_path, SCRIPT, "demo-1")
    async with booted(tmp_path, "q35", memory_mib=192, disk=disk, seed=seed) as guest:
        await guest.serial.until("Linux version")
        await guest.serial.until("demo-1 login: root (automatic login")
        await guest.serial.until("root@demo-1:~# ")
        await guest.serial.type("echo $((6 * 7))", "42")
        # The kernel's own words stay on the serial port.
        assert "Linux version" not in await guest.virtio.until("demo-1 login: root (automatic login")
        await guest.virtio.until("root@demo-1:~# ")
        await guest.virtio.type("tty", "/dev/hvc0")
        assert await guest.agent.call("guest-ping") == {}
        assert await guest.agent.call("guest-get-host-name") == {"host-name": "demo-1"}
        # The script runs once there is an address, so that nothing here has to ask again and again.
        await guest.serial.until("seed script ran with 10.0.2.15/24")
        assert "10.0.2.15" in json.dumps(await guest.agent.call("guest-network-get-interfaces"))
        await guest.qmp.call("qmp_capabilities")
        await guest.qmp.call("system_powerdown")
        await guest.serial.until("reboot: Power down")
        assert await guest.process.wait() == 0


async def test_cloud_config_and_a_larger_disk_are_taken_up_and_data_outlives_a_reboot(
    image: Path, tmp_path: Path
) -> None:
    disk, seed = _overlay(image, tmp_path, "2G"), _seed(tmp_path, CLOUD_CONFIG, "named-by-meta-data")
    async with booted(tmp_path, "pc", memory_mib=128, disk=disk, seed=seed) as guest:
        ran = await guest.serial.until("a line said hello")
        assert "a list said hello" in ran
        assert "root@named-by-user-data:~# " in ran
        await guest.serial.type("cat /root/.ssh/authorized_keys", KEY)
        await guest.serial.type("cat /home/ann/.ssh/authorized_keys", KEY)
        await guest.serial.type("stat -c %U:%a /home/ann/.ssh", "ann:700")
        await guest.serial.type("[ $(df -m /data | awk 'END {print $2}') -gt 1800 ] && echo gr''own", "grown")
        await guest.serial.type("nc 127.0.0.1 22 </dev/null | cut -c1-17 | head -n1", "SSH-2.0-dropbear_")
        await guest.serial.type("echo remembered >~/note; echo do''ne", "done")
        await guest.serial.send("reboot\n")
        assert await guest.process.wait() == 0
    async with booted(tmp_path, "pc", memory_mib=128, disk=disk, seed=seed) as guest:
        booting = await guest.serial.until("root@named-by-user-data:~# ")
        assert "a line said hello" not in booting
        assert "recovery" not in booting
        await guest.serial.type("cat note", "remembered")
