"""VMTemplate: an image with the defaults that fit it."""

from typing import Annotated, Literal

from pydantic import Field

from hypersdk.model.base import Condition, Model, Resource, Time
from hypersdk.model.virtualmachine import Checksum, Cpus, Firmware, GuestAgentSpec, Memory, SecretRef


class OsInfo(Model):
    """The operating system in the image."""

    type: Literal["linux", "windows", "other"] | None = None
    distribution: str | None = None
    version: str | None = None


class TemplateDisk(Model):
    """A disk that VMs of the template get."""

    name: str | None = None
    size: str | None = None
    storage_class: str | None = None
    boot_order: Annotated[int, Field(ge=1)] | None = None


class TemplateNetwork(Model):
    """A network that VMs of the template get."""

    name: str | None = None
    type: str | None = None


class DefaultSpec(Model):
    """What a VM gets where its own spec is silent."""

    cpus: Cpus = 2
    memory: Memory = "4Gi"
    disks: list[TemplateDisk] | None = None
    networks: list[TemplateNetwork] | None = None
    firmware: Firmware | None = None
    guest_agent: GuestAgentSpec | None = None


class TemplateImage(Model):
    """The image of the template."""

    source: str
    format: Literal["qcow2", "raw", "vmdk", "vdi", "vhdx"] = "qcow2"
    size: str | None = None
    checksum: Checksum | None = None
    secret_ref: SecretRef | None = None
    """A Secret with the credentials of an `s3://` source: accessKeyId, secretAccessKey, endpoint, region."""
    upload_to: Annotated[str, Field(pattern="^s3://[^/]+/.+")] | None = None
    """Of an image that is made of a VM or a snapshot: where it goes when it is whole. That then becomes the source."""


class TemplateCloudInit(Model):
    """cloud-init data for VMs that bring none."""

    default_user_data: str | None = None
    default_network_data: str | None = None


class RecommendedResources(Model):
    """What the image wants at least."""

    min_cpus: int | None = None
    min_memory: str | None = None
    min_disk_size: str | None = None


class VMTemplateSpec(Model):
    """What is offered."""

    display_name: str
    description: str | None = None
    version: str = "1.0.0"
    tags: list[str] | None = None
    icon: str | None = None
    os_info: OsInfo | None = None
    default_spec: DefaultSpec | None = None
    image: TemplateImage
    cloud_init: TemplateCloudInit | None = None
    required_features: list[str] | None = None
    recommended_resources: RecommendedResources | None = None


class VMTemplateStatus(Model):
    """Whether VMs can be made from it."""

    ready: bool | None = None
    size: str | None = None
    last_updated: Time | None = None
    usage_count: int | None = None
    observed_generation: int | None = None
    """Of the spec that the conditions are about."""
    conditions: list[Condition] | None = None


class VMTemplate(Resource):
    """A template for VMs."""

    spec: VMTemplateSpec
    status: VMTemplateStatus = VMTemplateStatus()
