"""Does real cloud-init in a Debian guest take up the seed: users, keys, files, commands, network, a larger disk?"""

import asyncio
import base64
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import SECRETS
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmoperation import OperationPhase
from hypersdk.settings import places
from tests.controlplane.api import Api
from tests.debian.build import image as debian_image
from tests.libvirt.benches import Bridge, host_bridge, lone_bench
from tests.libvirt.conftest import Libvirtd
from tests.libvirt.controllers import Bench

BOOT_WITHIN_S = 420.0
pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(3 * BOOT_WITHIN_S)]

BRIDGE = Bridge("br-cloud", "10.77.0.1", "fd00:77::1")
MAC = "02:77:00:00:00:0a"
IP, IP6 = "10.77.0.10", "fd00:77::10"
USER_DATA = """#cloud-config
hostname: named-by-seed
users:
- name: ann
  shell: /bin/sh
  sudo: ALL=(ALL) NOPASSWD:ALL
  ssh_authorized_keys: ["{key}"]
write_files:
- {{path: /etc/marker, content: written by the seed, permissions: '0640'}}
runcmd:
- echo ran >>/root/ran
- [sh, -c, 'hostname >>/root/ran']
"""
NETWORK_DATA = f"""version: 2
ethernets:
  lan:
    match: {{macaddress: '{MAC}'}}
    set-name: lan0
    # Nobody advertises routes here, and the boot would wait for that.
    accept-ra: false
    addresses: [{IP}/24, '{IP6}/64']
"""
OVER = "until [ -e /run/cloud-init/result.json ]; do sleep 0.5; done"
"""cloud-init itself can wait too, and takes the processor of the cloud-init that it waits for."""


@dataclass(frozen=True)
class Ann:
    """The user that the seed makes, who comes in by ssh with her key."""

    key: Path

    @property
    def public(self) -> str:
        """What the seed says of her key."""
        return self.key.with_suffix(".pub").read_text().strip()

    async def run(self, command: str) -> str:
        """What a command prints; ssh asks again until the guest answers."""
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes")
        patient = ("ConnectionAttempts=600", "ConnectTimeout=240", "ServerAliveInterval=60")
        words = [word for option in (*options, *patient) for word in ("-o", option)]
        ssh = await asyncio.create_subprocess_exec(
            "ssh", "-i", str(self.key), *words, f"ann@{IP}", command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            async with asyncio.timeout(BOOT_WITHIN_S):
                said, complaint = await ssh.communicate()
        finally:
            if ssh.returncode is None:
                ssh.kill()
        assert ssh.returncode == 0, complaint
        return said.decode()


@pytest.fixture
def ann(tmp_path: Path) -> Ann:
    """Ann with a new key."""
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    return Ann(key)


@pytest.fixture
def bridge(private_network: None) -> Iterator[Bridge]:
    """A bridge without any DHCP server: who has an address there has it from the seed."""
    with host_bridge(BRIDGE):
        yield BRIDGE


@pytest.fixture
async def here(embedded_api: Api, libvirtd: Libvirtd, guest_folder: Path, bridge: Bridge) -> AsyncIterator[Bench]:
    """A controller whose VMs may be put on the bridge."""
    async with lone_bench(embedded_api, libvirtd, guest_folder, "--bridge", bridge.name) as made:
        yield made


async def test_debian_takes_up_its_seed_once_and_knows_itself_again(here: Bench, ann: Ann) -> None:
    source = await asyncio.to_thread(debian_image, places(os.environ).cache, print)
    copy = await asyncio.to_thread(shutil.copy, source, here.controller.images / "debian.qcow2")
    await _secret(here, "seed", userData=USER_DATA.format(key=ann.public), networkData=NETWORK_DATA)
    await here.create(
        "debian",
        f"file://{copy}",
        cpus=2,
        memory="512Mi",
        disks=[{"name": "root", "size": "2Gi"}],
        networks=[{"name": "lan", "type": "bridge", "multusNetworkName": BRIDGE.name, "macAddress": MAC}],
        cloudInit={"secretRef": {"name": "seed"}},
    )
    await here.until_phase("debian", Phase.RUNNING, "Running", BOOT_WITHIN_S)

    status = await ann.run(f"{OVER}; cloud-init status --long")
    assert "status: done" in status
    assert "DataSourceNoCloud" in status
    facts = "hostname; sudo cat /etc/marker; echo; sudo stat -c %a /etc/marker; sudo cat /root/ran"
    assert (await ann.run(facts)).split("\n")[:-1] == [
        "named-by-seed",
        "written by the seed",
        "640",
        "ran",
        "named-by-seed",
    ]
    uid = here.vm("debian").metadata.uid
    assert (await ann.run("cat /var/lib/cloud/data/instance-id")).strip() == uid
    assert int(await ann.run("df -m --output=size / | tail -n1")) > 1800
    await here.until(lambda: here.vm("debian").status.ip_addresses == [IP, IP6], BOOT_WITHIN_S)
    told = (here.vm("debian").status.addresses or [])[0]
    assert (told.source, told.interface, told.mac_address) == ("agent", "lan0", MAC)

    await ann.run("sync")
    restart = await here.operate("debian", "restart", force=True, within=BOOT_WITHIN_S)
    assert restart.phase is OperationPhase.SUCCEEDED, restart.status.message
    again = f"{OVER}; cat /var/lib/cloud/data/previous-instance-id; sudo grep -c ran /root/ran"
    assert (await ann.run(again)).split() == [uid, "1"]


async def _secret(here: Bench, name: str, **data: str) -> None:
    encoded: JsonObject = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    await here.client.create(SECRETS, here.namespace, {"metadata": {"name": name}, "data": encoded})
