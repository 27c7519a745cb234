"""Does real cloud-init in a Debian guest take up the seed: users, keys, files, commands, network, a larger disk?"""

import asyncio
import base64
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import JsonValue

from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import SECRETS
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmoperation import OperationPhase, VMOperation
from hypersdk.settings import places
from tests.controlplane.api import Api
from tests.debian.build import image as debian_image
from tests.folders import open_folder
from tests.libvirt.benches import Bridge, host_bridge, lone_bench
from tests.libvirt.conftest import Libvirtd
from tests.libvirt.controllers import Bench
from tests.libvirt.in_guest import InGuest

BOOT_WITHIN_S = 900.0
pytestmark = [
    pytest.mark.libvirt,
    pytest.mark.timeout(3 * BOOT_WITHIN_S),
    pytest.mark.asyncio(loop_scope="module"),
]

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
OF_CLONES = """version: 2
ethernets:
  # By its name: cloud-init stumbles over a MAC that no interface has.
  # Without any address networkd would not mind it at all, and the boot wait for that.
  enp3s0: {accept-ra: false, addresses: [10.77.0.99/24]}
"""
FACTS = (
    "for file in /var/lib/cloud/data/instance-id /sys/class/dmi/id/product_uuid /etc/machine-id"
    " /sys/class/net/[el]*[0-9]/address; do cat $file; done; cut -d' ' -f2 /etc/ssh/ssh_host_ed25519_key.pub"
)
"""What no two machines have in common."""
BOOT_ID = "cat /proc/sys/kernel/random/boot_id"
CLONES = {"branch": True} | ({"twin": False} if os.environ.get("HYPERSDK_CLONES") == "all" else {})
"""Linked or whole. A whole one boots no other way, and takes a minute more: `make soak` has both."""
RESULT, END = "/run/cloud-init/result.json", "end"
OVER = f"until [ -e {RESULT} ]; do sleep 0.5; done"
"""cloud-init itself can wait and tell too, and takes the processor of the cloud-init that it waits for."""


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


@pytest.fixture(scope="module")
def ann(tmp_path_factory: pytest.TempPathFactory) -> Ann:
    """Ann with a new key."""
    key = tmp_path_factory.mktemp("ann") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    return Ann(key)


@dataclass(frozen=True)
class Guests:
    """A controller, whose VMs may be put on the bridge, with the Debian VM `debian`."""

    bench: Bench
    uri: str

    async def clone(self, target: str, **how: JsonValue) -> VMOperation:
        """A clone of it, which is started."""
        self.bench.made.add(target)
        spec: JsonObject = {"targetName": target, "startAfterClone": True, **how}
        op = await self.bench.operate("debian", "clone", within=BOOT_WITHIN_S, cloneSpec=spec)
        assert op.phase is OperationPhase.SUCCEEDED, op.status.message
        return op

    async def sh(self, name: str, line: str) -> str:
        """What a line of shell prints in a guest, once its agent answers."""
        await self.bench.until(lambda: self.bench.reason(name, "LivenessProbe") == "AgentAnswers", BOOT_WITHIN_S)
        return (await InGuest(self.uri, self.bench.vm(name).metadata.uid, BOOT_WITHIN_S).run(line)).strip()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guests(embedded_api: Api, libvirtd: Libvirtd, ann: Ann, private_network: None) -> AsyncIterator[Guests]:
    """The bridge has no DHCP server: who has an address there has it from the seed."""
    with open_folder() as folder, host_bridge(BRIDGE):
        async with lone_bench(embedded_api, libvirtd, folder, "--bridge", BRIDGE.name) as here:
            source = await asyncio.to_thread(debian_image, places(os.environ).cache, print)
            copy = await asyncio.to_thread(shutil.copy, source, here.controller.images / "debian.qcow2")
            await _secret(here, "seed", userData=USER_DATA.format(key=ann.public), networkData=NETWORK_DATA)
            lan: JsonObject = {"name": "lan", "type": "bridge", "multusNetworkName": BRIDGE.name, "macAddress": MAC}
            await here.create(
                "debian",
                f"file://{copy}",
                # Of two that are emulated, one may wait for the other one's timer for ever while Linux boots.
                cpus=1,
                memory="512Mi",
                disks=[{"name": "root", "size": "2Gi"}],
                networks=[lan],
                cloudInit={"secretRef": {"name": "seed"}},
            )
            await here.until_phase("debian", Phase.RUNNING, "Running", BOOT_WITHIN_S)
            yield Guests(here, libvirtd.uri)


async def test_debian_takes_up_its_seed(guests: Guests, ann: Ann) -> None:
    here = guests.bench
    # In one go: each time that somebody comes in takes a guest of this kind seconds.
    facts = "hostname; sudo sh -c 'cat /etc/marker; echo; stat -c %a /etc/marker; cat /root/ran'"
    system = "cat /var/lib/cloud/data/instance-id; df -m --output=size / | tail -n1"
    told, result = (await ann.run(f"{OVER}; {facts}; {system}; echo {END}; cat {RESULT}")).split(f"{END}\n")
    *lines, uid, size = told.splitlines()
    assert lines == ["named-by-seed", "written by the seed", "640", "ran", "named-by-seed"]
    assert uid == here.vm("debian").metadata.uid
    assert int(size) > 1800
    over = json.loads(result)["v1"]
    assert (over["datasource"].split()[0], over["errors"]) == ("DataSourceNoCloud", [])
    await here.until(lambda: here.vm("debian").status.ip_addresses == [IP, IP6], BOOT_WITHIN_S)
    first = (here.vm("debian").status.addresses or [])[0]
    assert (first.source, first.interface, first.mac_address) == ("agent", "lan0", MAC)


async def test_debian_knows_itself_again_and_its_clones_are_others(guests: Guests, ann: Ann) -> None:
    here, uid = guests.bench, guests.bench.vm("debian").metadata.uid
    await _network_data(here, OF_CLONES)
    before = await guests.sh("debian", f"echo mine >/root/marker; sync; {BOOT_ID}; {FACTS}")
    for name, linked in CLONES.items():
        op = await guests.clone(name, linkedClone=linked)
        assert "filesystem-frozen" in (op.status.message or "")
    assert await guests.sh("debian", f"echo later >/root/later; sync; {BOOT_ID}; {FACTS}") == before
    # They all boot at the same time.
    await _network_data(here, NETWORK_DATA)
    restart = await here.operate("debian", "restart", force=True, within=BOOT_WITHIN_S)
    assert restart.phase is OperationPhase.SUCCEEDED, restart.status.message
    again = "cat /var/lib/cloud/data/previous-instance-id; sudo sh -c 'grep -c ran /root/ran; cat /root/marker'"
    assert (await ann.run(f"{OVER}; {again}")).split() == [uid, "1", "mine"]

    told = {"debian": before.splitlines()[1:]}
    for name in CLONES:
        assert (
            await guests.sh(name, f"{OVER}; grep -c ran /root/ran; cat /root/marker; ls /root")
            == "2\nmine\nmarker\nran"
        )
        told[name] = (await guests.sh(name, FACTS)).splitlines()
    assert (await guests.sh("debian", FACTS)).splitlines() == told["debian"]
    assert all(told[name][:2] == [here.vm(name).metadata.uid] * 2 for name in told)
    assert [len({*each}) for each in zip(*told.values(), strict=True)] == [len(told)] * 5, told


async def _network_data(here: Bench, data: str) -> None:
    """What the seeds of VMs say that are started from now on."""
    seed: JsonObject = {"data": {"networkData": base64.b64encode(data.encode()).decode()}}
    await here.client.patch(SECRETS, here.namespace, "seed", seed)


async def _secret(here: Bench, name: str, **data: str) -> None:
    encoded: JsonObject = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    await here.client.create(SECRETS, here.namespace, {"metadata": {"name": name}, "data": encoded})
