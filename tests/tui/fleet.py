"""The sample fleet that pictures and tests show: objects from a file, figures and console made up, always the same."""

import math
from datetime import UTC, datetime
from pathlib import Path

import yaml

from hypersdk.model.backupjob import BackupJob
from hypersdk.model.backupschedule import BackupSchedule
from hypersdk.model.base import Resource
from hypersdk.model.core import Event
from hypersdk.model.metrics import Sample
from hypersdk.model.restorejob import RestoreJob
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmnode import VMNode
from hypersdk.model.vmoperation import VMOperation
from hypersdk.model.vmsnapshot import VMSnapshot
from hypersdk.model.vmtemplate import VMTemplate
from tests.tui.scripted import ScriptedSession

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MODELS: dict[str, type[Resource]] = {
    "VirtualMachine": VirtualMachine,
    "VMOperation": VMOperation,
    "Event": Event,
    "VMNode": VMNode,
    "VMSnapshot": VMSnapshot,
    "VMTemplate": VMTemplate,
    "BackupJob": BackupJob,
    "BackupSchedule": BackupSchedule,
    "RestoreJob": RestoreJob,
}
FILE = Path(__file__).with_name("fixtures") / "fleet.yaml"
BOOT = """\
[    0.000000] Linux version 6.1.0-40-amd64 (debian-kernel@lists.debian.org)
[    0.412094] Run /init as init process
[  \x1b[32mOK\x1b[0m  ] Mounted /proc, /sys, /dev
[  \x1b[32mOK\x1b[0m  ] eth0: lease of 10.12.0.60 obtained, lease time 3600
[  \x1b[32mOK\x1b[0m  ] Started qemu-ga

web-10 login: root
root@web-10:~# uptime
 12:00:00 up 13 min,  load average: 1.97, 1.64, 1.02
root@web-10:~# """


def fleet() -> ScriptedSession:
    """A session on the sample fleet."""
    objects = [MODELS[one["kind"]].model_validate(one) for one in yaml.safe_load_all(FILE.read_text())]
    session = ScriptedSession(context="prod-cluster", namespace="prod", objects=objects)
    session.figures = [figure(second) for second in range(150)]
    session.link.heard.put_nowait(
        '{"type":"state","connected":true,"writable":true,"writer":"ops","watchers":1,"reason":""}'
    )
    session.link.heard.put_nowait(BOOT.replace("\n", "\r\n").encode())
    return session


def figure(second: int) -> Sample:
    """A busy web server's figures, so many seconds in."""
    wave, spike = math.sin(second / 17), max(0.0, math.sin(second / 5) ** 9)
    return Sample(
        time=NOW.timestamp() + second,
        cpu_percent=55 + 25 * wave + 18 * spike,
        memory_used_bytes=int((1.3 + 0.3 * math.sin(second / 60)) * 2**30),
        memory_total_bytes=2 * 2**30,
        disk_read_bytes_per_second=2.2e6 * spike,
        disk_write_bytes_per_second=4e5 + 3e5 * wave,
        network_receive_bytes_per_second=6e5 + 4e5 * wave,
        network_transmit_bytes_per_second=2.1e6 + 1.2e6 * wave + 9e5 * spike,
    )
