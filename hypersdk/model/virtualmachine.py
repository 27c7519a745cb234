"""VirtualMachine: what a person wants of a VM, and what the node's controller saw of it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from hypersdk.model.base import Condition, JsonObject, Model, Resource, Time
from hypersdk.model.phase import Phase as Phase
from hypersdk.model.quantity import DURATION_PATTERN, MAC_PATTERN, MEMORY_PATTERN, POSITIVE_MEMORY_PATTERN
from hypersdk.model.rules import Rule, one_at_most, rules, written, your_own_name

_SIZE = written(POSITIVE_MEMORY_PATTERN, "write a whole number above zero with Ki, Mi, Gi or Ti, such as 512Mi or 8Gi")
_TIME = written(DURATION_PATTERN, "write a whole number with s, m or h, such as 30s, 10m or 2h")
_MAC = written(MAC_PATTERN, "write six bytes in hexadecimal, such as 52:54:00:12:34:56")
_DISKS_NEVER_SHRINK = Rule(
    "self.all(new, oldSelf.all(old, old.name != new.name || !isQuantity(new.size) || "
    "quantity(new.size).compareTo(quantity(old.size)) >= 0))",
    "a disk cannot shrink: write the size it has, or a larger one",
)

Memory = Annotated[str, Field(pattern=MEMORY_PATTERN, json_schema_extra=rules(_SIZE, maxLength=24))]
Duration = Annotated[str, Field(pattern=DURATION_PATTERN, json_schema_extra=rules(_TIME, maxLength=24))]
Mac = Annotated[str, Field(pattern=MAC_PATTERN, json_schema_extra=rules(_MAC, maxLength=17))]
ItemName = Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": 63})]
Cpus = Annotated[int, Field(ge=1, le=128)]


class ConditionType(StrEnum):
    """The five condition types of the document."""

    READY = "Ready"
    AGENT_CONNECTED = "AgentConnected"
    LIVENESS_PROBE = "LivenessProbe"
    DISK_READY = "DiskReady"
    NETWORK_READY = "NetworkReady"


class Checksum(Model):
    """The digest that the fetched image must have."""

    type: Literal["md5", "sha256", "sha512"] | None = None
    value: str | None = None


class SecretRef(Model):
    """A Secret of the same namespace."""

    name: str | None = None


class DiskSource(Model):
    """Where a disk's first content comes from."""

    model_config = ConfigDict(json_schema_extra=rules(one_at_most("pvc", "http", "s3", "containerDisk")))

    pvc: str | None = None
    http: str | None = None
    s3: str | None = None
    container_disk: str | None = None
    checksum: Checksum | None = None
    secret_ref: SecretRef | None = None
    """Credentials of the object store, as in `image.secretRef`."""


class Disk(Model):
    """One disk of the VM."""

    name: ItemName
    size: Memory
    storage_class: str = "standard"
    boot_order: Annotated[int, Field(ge=1)] | None = None
    type: Literal["disk", "cdrom"] = "disk"
    source: DiskSource | None = None


class Network(Model):
    """One network interface of the VM."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "self.type != 'multus' || (has(self.multusNetworkName) && self.multusNetworkName != '')",
                "a multus network needs multusNetworkName: write its NetworkAttachmentDefinition",
                ".multusNetworkName",
                "FieldValueRequired",
            )
        )
    )

    name: ItemName
    type: Literal["pod-network", "multus", "bridge"] = "pod-network"
    multus_network_name: str | None = None
    """The NetworkAttachmentDefinition of a `multus` network, the host bridge of a `bridge` one."""
    mac_address: Mac | None = None


class NamespacedRef(Model):
    """A reference by name; a namespace other than the object's own is refused."""

    name: Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": 253})]
    namespace: str | None = None


class TemplateRef(Model):
    """The VMTemplate that fills in what the spec leaves out."""

    name: str | None = None
    namespace: str | None = None


class Image(Model):
    """The source of the root disk."""

    model_config = ConfigDict(json_schema_extra=rules(one_at_most("source", "templateRef")))

    source: str | None = None
    """A URL (`file://`, `http(s)://`, `s3://`) or a short name from the catalogue such as `ubuntu:22.04`."""
    template_ref: TemplateRef | None = None
    checksum: Checksum | None = None
    secret_ref: SecretRef | None = None
    """A Secret with the credentials of an `s3://` source: accessKeyId, secretAccessKey, endpoint, region."""


class CloudInit(Model):
    """NoCloud data for the guest's first boot."""

    user_data: str | None = None
    network_data: str | None = None
    secret_ref: SecretRef | None = None


class CarbonAware(Model):
    """When and where the VM may run, by carbon intensity."""

    enabled: bool = False
    max_intensity: Annotated[int, Field(json_schema_extra={"minimum": 0})] | None = None
    """Grams of CO2 per kWh."""
    prefer_green_energy: bool = True
    zone: str | None = None


class Firmware(Model):
    """What the VM boots with."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!self.secureBoot || self.bootloader == 'uefi'",
                "secureBoot needs UEFI: write bootloader: uefi, or secureBoot: false",
                ".bootloader",
            )
        )
    )

    bootloader: Literal["bios", "uefi"] = "bios"
    secure_boot: bool = False


class GuestAgentSpec(Model):
    """Whether the VM has the QEMU guest agent's channel."""

    enabled: bool = True


class HighAvailability(Model):
    """What happens when the guest or its node dies."""

    enabled: bool = False
    restart_policy: Literal["Always", "OnFailure", "Never"] = "Always"
    restart_delay: Duration = "30s"
    max_restarts: Annotated[int, Field(json_schema_extra={"minimum": 0})] = 3
    eviction_strategy: Literal["LiveMigrate", "Shutdown", "None"] = "LiveMigrate"


class Gpu(Model):
    """GPUs of one model, given to this VM alone."""

    name: ItemName
    count: Annotated[int, Field(ge=1)] = 1


class Tpm(Model):
    """A Trusted Platform Module, emulated on the host; what it keeps stays with the VM."""

    enabled: bool = True
    version: Annotated[Literal["2.0"], Field(json_schema_extra={"enum": ["2.0"]})] = "2.0"


class Devices(Model):
    """What the VM has besides disks and networks: devices of the host that are its own, and a TPM."""

    gpus: list[Gpu] | None = None
    tpm: Tpm | None = None


class VirtualMachineSpec(Model):
    """What is wanted."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!has(self.firmware) || !self.firmware.secureBoot || self.machineType == 'q35'",
                "secureBoot needs the machine q35: write machineType: q35, or secureBoot: false",
                ".machineType",
            )
        )
    )

    cpus: Cpus
    memory: Memory
    running: bool = True
    disks: Annotated[
        list[Disk] | None, Field(json_schema_extra=rules(your_own_name("disk"), _DISKS_NEVER_SHRINK, maxItems=32))
    ] = None
    networks: Annotated[list[Network] | None, Field(json_schema_extra=rules(your_own_name("network"), maxItems=32))] = (
        None
    )
    image: Image | None = None
    cloud_init: CloudInit | None = None
    node_selector: dict[str, str] | None = None
    affinity: JsonObject | None = None
    tolerations: list[JsonObject] | None = None
    carbon_aware: CarbonAware | None = None
    machine_type: Literal["q35", "pc"] = "q35"
    firmware: Firmware | None = None
    guest_agent: GuestAgentSpec | None = None
    high_availability: HighAvailability | None = None
    devices: Devices | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class GuestAgentStatus(Model):
    """What the guest agent said last."""

    connected: bool = False
    version: str | None = None
    hostname: str | None = None


class Address(Model):
    """One address of the guest, with where it was read and when it was last seen."""

    ip: str
    source: Literal["agent", "lease", "arp"]
    mac_address: str | None = None
    interface: str | None = None
    last_seen: Time | None = None


class CpuUsage(Model):
    """Measured CPU time as a share of the VM's vCPUs, such as `45%`."""

    usage: str | None = None
    requests: int | None = None


class MemoryUsage(Model):
    """Measured memory in use, such as `6.2Gi`."""

    usage: str | None = None
    requests: str | None = None


class ResourceUsage(Model):
    """Measured and requested resources."""

    cpu: CpuUsage | None = None
    memory: MemoryUsage | None = None


class Vnc(Model):
    """The graphics console; without a TCP listener there is no port, and it is reached through the API."""

    port: int | None = None
    node_port: int | None = None
    enabled: bool = False


class ImageProgress(Model):
    """How far the import of the root image is."""

    bytes_transferred: Annotated[int, Field(json_schema_extra={"format": "int64"})] = 0
    total_bytes: Annotated[int, Field(json_schema_extra={"format": "int64"})] | None = None
    bytes_per_second: Annotated[int, Field(json_schema_extra={"format": "int64"})] | None = None


class LastReset(Model):
    """When the guest was last seen to be reset while its QEMU went on, and by what."""

    time: Time
    reason: str
    """`GuestRebooted` or `WatchdogReset`, as in the Event."""


class VirtualMachineStatus(Model):
    """What was observed."""

    phase: Phase | None = None
    conditions: list[Condition] | None = None
    observed_generation: int | None = None
    guest_agent: GuestAgentStatus | None = None
    ip_addresses: list[str] | None = None
    addresses: list[Address] | None = None
    node_name: str | None = None
    resources: ResourceUsage | None = None
    qemu_pid: int | None = None
    vnc: Vnc | None = None
    image_progress: ImageProgress | None = None
    creation_timestamp: Time | None = None
    start_time: Time | None = None
    last_reset: LastReset | None = None
    carbon_intensity: float | None = None


class VirtualMachine(Resource):
    """A virtual machine."""

    spec: VirtualMachineSpec
    status: VirtualMachineStatus = VirtualMachineStatus()

    @property
    def phase(self) -> Phase:
        """The observed phase; an object that no controller has seen yet is Pending."""
        return self.status.phase or Phase.PENDING

    @property
    def started(self) -> datetime | None:
        """When the guest was last powered on."""
        return self.status.start_time
