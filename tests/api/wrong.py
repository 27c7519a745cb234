"""Objects that an API server has to refuse, each with the field that is to blame and what its message says to write."""

from dataclasses import dataclass

from pydantic import JsonValue

from hypersdk.model.base import JsonObject, Resource
from hypersdk.model.kinds import (
    BACKUP_JOBS,
    BACKUP_SCHEDULES,
    RESTORE_JOBS,
    VIRTUAL_MACHINES,
    VM_OPERATIONS,
    VM_SNAPSHOTS,
    VM_TEMPLATES,
    Kind,
)

AN_AMOUNT = "write a whole number above zero with Ki, Mi, Gi or Ti, such as 512Mi or 8Gi"
A_TIME = "write a whole number with s, m or h, such as 30s, 10m or 2h"
A_CRON = "write five cron fields"
A_RANGE = "write a range from the lower to the higher number"
A_MAC = "write six bytes in hexadecimal"
A_RATE = "write a whole number with bps, Kbps, Mbps or Gbps"
NO_CHANGE = "cannot change: leave it as it is"


@dataclass(frozen=True)
class Wrong:
    """A spec that is refused; as an update of `before`, where that is given."""

    kind: Kind[Resource]
    field: str
    says: str
    spec: JsonObject
    before: JsonObject | None = None

    @property
    def id(self) -> str:
        """For the report of the tests."""
        return f"{self.kind.kind}-{self.field}-{list(self.spec.values())[-1] if self.spec else 'empty'}"[:90]


def _vm(field: str, says: str, **spec: JsonValue) -> Wrong:
    return Wrong(VIRTUAL_MACHINES, field, says, {"cpus": 1, "memory": "1Gi", **spec})


def _disk(field: str, says: str, **disk: JsonValue) -> Wrong:
    return _vm(f"spec.disks[0].{field}", says, disks=[{"name": "root", "size": "1Gi", **disk}])


def _network(field: str, says: str, **network: JsonValue) -> Wrong:
    return _vm(f"spec.networks[0].{field}", says, networks=[{"name": "net", **network}])


def _operation(field: str, says: str, operation: JsonValue, **spec: JsonValue) -> Wrong:
    return Wrong(VM_OPERATIONS, field, says, {"vmRef": {"name": "web"}, "operation": operation, **spec})


def _schedule(says: str, schedule: str) -> Wrong:
    spec: JsonObject = {"vmSelector": {}, "destination": {"type": "local"}, "schedule": schedule}
    return Wrong(BACKUP_SCHEDULES, "spec.schedule", says, spec)


def _backups(field: str, says: str, **spec: JsonValue) -> Wrong:
    return Wrong(BACKUP_SCHEDULES, field, says, {"schedule": "@daily", **spec})


def _backup(field: str, says: str, **spec: JsonValue) -> Wrong:
    good: JsonObject = {"source": {"provider": "kubevirt"}, "destination": {"type": "local"}}
    return Wrong(BACKUP_JOBS, field, says, good | spec)


def _restore(field: str, says: str, **spec: JsonValue) -> Wrong:
    good: JsonObject = {"source": {"type": "local"}, "destination": {"provider": "kubevirt"}}
    return Wrong(RESTORE_JOBS, field, says, good | spec)


def _template(field: str, says: str, **spec: JsonValue) -> Wrong:
    return Wrong(VM_TEMPLATES, field, says, {"displayName": "T", "image": {"source": "demo"}, **spec})


def _snapshot(field: str, says: str, **spec: JsonValue) -> Wrong:
    return Wrong(VM_SNAPSHOTS, field, says, {"vmRef": {"name": "web"}, **spec})


def _resized(says: str, before: list[JsonValue], after: list[JsonValue]) -> Wrong:
    base: JsonObject = {"cpus": 1, "memory": "1Gi"}
    return Wrong(VIRTUAL_MACHINES, "spec.disks", says, {"disks": after}, base | {"disks": before})


TWINS: list[JsonValue] = [{"name": "a", "size": "1Gi"}, {"name": "b", "size": "1Gi"}, {"name": "a", "size": "2Gi"}]
CLONE: JsonObject = {"vmRef": {"name": "web"}, "operation": "clone", "cloneSpec": {"targetName": "web-2"}}
JOB: JsonObject = {"spec": {"source": {"provider": "kubevirt"}, "destination": {"type": "local"}}}

MACHINES = [
    Wrong(VIRTUAL_MACHINES, "spec.cpus", "Required value", {"memory": "1Gi"}),
    Wrong(VIRTUAL_MACHINES, "spec.memory", "Required value", {"cpus": 1}),
    _vm("spec.cpus", "greater than or equal to 1", cpus=0),
    _vm("spec.cpus", "greater than or equal to 1", cpus=-4),
    _vm("spec.cpus", "less than or equal to 128", cpus=129),
    _vm("spec.cpus", "must be of type integer", cpus="4"),
    _vm("spec.cpus", "must be of type int32", cpus=1.5),
    *(_vm("spec.memory", AN_AMOUNT, memory=text) for text in ("0Gi", "000Mi", "8G", "1.5Gi", "8192", "1Pi", "-1Gi")),
    *(_vm("spec.memory", AN_AMOUNT, memory=text) for text in ("", "Gi", "8 Gi", "8gi", "eight")),
    _vm("spec.memory", "must be of type string", memory=8192),
    _vm("spec.memory", "Too long: may not be more than 24 bytes", memory="1" * 30 + "Gi"),
    _vm("spec.running", "must be of type boolean", running="yes"),
    _vm("spec.machineType", 'supported values: "q35", "pc"', machineType="i440fx"),
    _vm("spec.firmware.bootloader", 'supported values: "bios", "uefi"', firmware={"bootloader": "efi"}),
    _vm("spec.firmware.bootloader", "write bootloader: uefi", firmware={"secureBoot": True}),
    _vm("spec.firmware.bootloader", "write bootloader: uefi", firmware={"secureBoot": True, "bootloader": "bios"}),
    _vm(
        "spec.machineType",
        "write machineType: q35",
        machineType="pc",
        firmware={"secureBoot": True, "bootloader": "uefi"},
    ),
    _vm("spec.image", "write only one of source, templateRef", image={"source": "a", "templateRef": {"name": "b"}}),
    _vm("spec.image.checksum.type", 'supported values: "md5", "sha256", "sha512"', image={"checksum": {"type": "crc"}}),
    _vm("spec.devices.gpus[0].name", "Required value", devices={"gpus": [{"count": 1}]}),
    _vm("spec.devices.gpus[0].count", "greater than or equal to 1", devices={"gpus": [{"name": "t4", "count": 0}]}),
    _vm("spec.disks", "write another name: each disk needs one of its own", disks=TWINS),
    _vm("spec.disks", "must have at most 32 items", disks=[{"name": f"d{n}", "size": "1Gi"} for n in range(33)]),
    _vm("spec.disks", "must be of type array", disks={"name": "root", "size": "1Gi"}),
    _vm("spec.disks[0]", "must be of type object", disks=["root"]),
    _vm("spec.disks[0].name", "Required value", disks=[{"size": "1Gi"}]),
    _vm("spec.disks[0].size", "Required value", disks=[{"name": "root"}]),
    _disk("name", "at least 1 chars long", name=""),
    _disk("name", "may not be more than 63 bytes", name="d" * 64),
    _disk("size", AN_AMOUNT, size="0Gi"),
    _disk("size", AN_AMOUNT, size="10GB"),
    _disk("size", AN_AMOUNT, size="0.5Ti"),
    _disk("type", 'supported values: "disk", "cdrom"', type="floppy"),
    _disk("bootOrder", "greater than or equal to 1", bootOrder=0),
    _disk("source", "write only one of pvc, http, s3, containerDisk", source={"pvc": "a", "http": "http://a/b"}),
    _disk("source", "write only one of", source={"s3": "s3://a/b", "containerDisk": "c"}),
    _network("name", "at least 1 chars long", name=""),
    _network("type", 'supported values: "pod-network", "multus", "bridge"', type="nat"),
    _network("multusNetworkName", "write its NetworkAttachmentDefinition", type="multus"),
    _network("multusNetworkName", "write its NetworkAttachmentDefinition", type="multus", multusNetworkName=""),
    _network("macAddress", A_MAC, macAddress="52:54:00:12:34"),
    _network("macAddress", A_MAC, macAddress="52-54-00-12-34-56"),
    _network("macAddress", A_MAC, macAddress="52:54:00:12:34:5g"),
    _vm("spec.networks", "each network needs one of its own", networks=[{"name": "a"}, {"name": "a"}]),
    _vm("spec.networks", "must have at most 32 items", networks=[{"name": f"n{n}"} for n in range(33)]),
    _vm("spec.tolerations", "must be of type array", tolerations={"key": "a"}),
    _vm("spec.nodeSelector.a", "must be of type string", nodeSelector={"a": 1}),
    _vm("spec.cloudInit.userData", "must be of type string", cloudInit={"userData": {"hostname": "a"}}),
    _vm("spec.carbonAware.maxIntensity", "greater than or equal to 0", carbonAware={"maxIntensity": -1}),
    _vm("spec.highAvailability.maxRestarts", "greater than or equal to 0", highAvailability={"maxRestarts": -1}),
    _vm(
        "spec.highAvailability.restartPolicy",
        'supported values: "Always", "OnFailure", "Never"',
        highAvailability={"restartPolicy": "Sometimes"},
    ),
    _vm(
        "spec.highAvailability.evictionStrategy",
        'supported values: "LiveMigrate", "Shutdown", "None"',
        highAvailability={"evictionStrategy": "Evict"},
    ),
    *(
        _vm("spec.highAvailability.restartDelay", A_TIME, highAvailability={"restartDelay": text})
        for text in ("1h30m", "30", "-5s", "1.5h", "soon")
    ),
]
UPDATES = [
    _resized("a disk cannot shrink", [{"name": "r", "size": "2Gi"}], [{"name": "r", "size": "1Gi"}]),
    _resized("a disk cannot shrink", [{"name": "r", "size": "1Ti"}], [{"name": "r", "size": "1023Gi"}]),
    _resized(
        "a disk cannot shrink",
        [{"name": "r", "size": "1Gi"}, {"name": "d", "size": "9Gi"}],
        [{"name": "d", "size": "8Gi"}, {"name": "r", "size": "1Gi"}],
    ),
    Wrong(VM_OPERATIONS, "spec.vmRef", NO_CHANGE, {"vmRef": {"name": "db"}}, CLONE),
    Wrong(VM_OPERATIONS, "spec.vmRef", NO_CHANGE, {"vmRef": {"namespace": "other"}}, CLONE),
    Wrong(VM_OPERATIONS, "spec.operation", NO_CHANGE, {"operation": "start"}, CLONE),
    Wrong(VM_OPERATIONS, "spec.cloneSpec.targetName", "write the name of the new VM", {"cloneSpec": None}, CLONE),
    Wrong(VM_SNAPSHOTS, "spec.vmRef", NO_CHANGE, {"vmRef": {"name": "db"}}, {"vmRef": {"name": "web"}}),
]
OPERATIONS = [
    Wrong(VM_OPERATIONS, "spec.vmRef", "Required value", {"operation": "start"}),
    Wrong(VM_OPERATIONS, "spec.operation", "Required value", {"vmRef": {"name": "web"}}),
    _operation("spec.vmRef.name", "Required value", "start", vmRef={}),
    _operation("spec.vmRef.name", "at least 1 chars long", "start", vmRef={"name": ""}),
    _operation("spec.operation", 'supported values: "start", "stop", "restart"', "reboot"),
    _operation("spec.operation", "must be of type string", 1),
    _operation("spec.force", "must be of type boolean", "stop", force="yes"),
    _operation("spec.timeout", A_TIME, "stop", timeout="5 minutes"),
    _operation("spec.cloneSpec.targetName", "write the name of the new VM", "clone"),
    _operation("spec.cloneSpec.targetName", "write the name of the new VM", "clone", cloneSpec={}),
    _operation(
        "spec.cloneSpec.targetName", "a linked clone needs targetName", "clone", cloneSpec={"linkedClone": True}
    ),
    *(
        _operation("spec.cloneSpec.targetName", "write lower case letters", "clone", cloneSpec={"targetName": name})
        for name in ("", "Web", "web_2", "-web", "web-", "../web", "a b")
    ),
    _operation("spec.migrateSpec", "write migrateSpec: {}", "migrate"),
    _operation("spec.migrateSpec.bandwidth", A_RATE, "migrate", migrateSpec={"bandwidth": "100MB"}),
    _operation("spec.migrateSpec.bandwidth", A_RATE, "migrate", migrateSpec={"bandwidth": "fast"}),
    _operation("spec.migrateSpec.live", "must be of type boolean", "migrate", migrateSpec={"live": 1}),
    _operation("spec.snapshotSpec", "write snapshotSpec: {}", "snapshot"),
    *(
        _operation("spec.snapshotSpec.name", "write lower case letters", "snapshot", snapshotSpec={"name": name})
        for name in ("Before", "pre_upgrade", "../web", "a b")
    ),
    _operation("spec.resizeSpec", "write cpus, memory or both", "resize"),
    _operation("spec.resizeSpec", "write cpus, memory or both", "resize", resizeSpec={"hotplug": True}),
    _operation("spec.resizeSpec.cpus", "less than or equal to 128", "resize", resizeSpec={"cpus": 256}),
    _operation("spec.resizeSpec.memory", AN_AMOUNT, "resize", resizeSpec={"memory": "0Mi"}),
    _operation("spec.restoreSpec.snapshotName", "write the name of one of the VM's snapshots", "restore"),
    _operation("spec.restoreSpec.snapshotName", "at least 1 chars", "restore", restoreSpec={"snapshotName": ""}),
]
SCHEDULES = [
    *(
        _schedule(A_CRON, text)
        for text in (
            *("", "0 2 * *", "0 2 * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *"),
            *("* * * 0 *", "* * * * 8", "*/0 * * * *", "5/ * * * *", "1,,2 * * * *", "1- * * * *", "* * * smarch *"),
            *("* * * * funday", "@never", "daily", "a b c d e", "0 2 * * *; reboot", "-1 * * * *", "? * * * *"),
        )
    ),
    _schedule(A_RANGE, "30-10 * * * *"),
    _schedule(A_RANGE, "* 18-8 * * *"),
    _schedule(A_RANGE, "0 0 1-5,20-10 * *"),
    _backups("spec.schedule", "must be of type string", schedule=5, jobTemplate=JOB),
    _backups("spec.vmSelector", "write what to back up"),
    _backups("spec.destination", "write where the backups go", vmSelector={}),
    _backups("spec", "only one of jobTemplate, vmSelector", vmSelector={}, destination={"type": "s3"}, jobTemplate=JOB),
    _backups("spec.concurrencyPolicy", '"Allow", "Forbid", "Replace"', jobTemplate=JOB, concurrencyPolicy="Queue"),
    _backups("spec.successfulJobsHistoryLimit", "than or equal to 0", jobTemplate=JOB, successfulJobsHistoryLimit=-1),
    _backups("spec.destination.type", '"s3", "azure-blob"', vmSelector={}, destination={"type": "tape"}),
    _backups("spec.jobTemplate.spec", "Required value", jobTemplate={}),
]
OTHERS = [
    _backup("spec.source.provider", "Required value", source={}),
    _backup("spec.source.provider", 'supported values: "kubevirt"', source={"provider": "xen"}),
    _backup("spec.destination.type", "Required value", destination={}),
    _backup("spec.destination.type", 'supported values: "s3"', destination={"type": "tape"}),
    _backup("spec.format.type", 'supported values: "ovf"', format={"type": "tar"}),
    _backup("spec.format.compression", "must be of type boolean", format={"compression": "gzip"}),
    _backup("spec.format.compressionLevel", "less than or equal to 9", format={"compressionLevel": 10}),
    _backup("spec.retention.keepDaily", "greater than or equal to 0", retention={"keepDaily": -1}),
    _restore("spec.source.type", "Required value", source={"bucket": "b"}),
    _restore("spec.source.type", 'supported values: "s3"', source={"type": "tape"}),
    _restore("spec.source.backupJobRef", "write the name of a BackupJob", source={"type": "backup-ref"}),
    _restore("spec.destination.provider", "Required value", destination={}),
    _template("spec.image.source", "Required value", image={}),
    _template("spec.image.format", 'supported values: "qcow2"', image={"source": "a", "format": "iso"}),
    _template("spec.defaultSpec.memory", AN_AMOUNT, defaultSpec={"memory": "0Gi"}),
    _template("spec.defaultSpec.cpus", "greater than or equal to 1", defaultSpec={"cpus": 0}),
    _template("spec.defaultSpec.firmware.bootloader", "uefi", defaultSpec={"firmware": {"secureBoot": True}}),
    _template("spec.osInfo.type", 'supported values: "linux", "windows", "other"', osInfo={"type": "beos"}),
    Wrong(VM_SNAPSHOTS, "spec.vmRef", "Required value", {"quiesce": True}),
    _snapshot("spec.vmRef.name", "Required value", vmRef={}),
    _snapshot("spec.retention.keepDays", "greater than or equal to 1", retention={"keepDays": 0}),
    _snapshot("spec.retention.expiresAt", "must be of type date-time", retention={"expiresAt": "tomorrow"}),
    Wrong(VIRTUAL_MACHINES, "spec", "Required value", {}),
]
WRONG = [*MACHINES, *UPDATES, *OPERATIONS, *SCHEDULES, *OTHERS]
