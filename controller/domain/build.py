"""What does libvirt get for a VM? The domain XML of a DesiredDomain, the same text for the same input."""

import hashlib
import json
from dataclasses import MISSING, Field, fields, is_dataclass
from xml.etree.ElementTree import Element, indent, tostring

from controller.domain.agent import agent_element
from controller.domain.desired import DesiredDomain
from controller.domain.disks import disk_elements
from controller.domain.elements import element
from controller.domain.extras import standard_elements
from controller.domain.graphics import graphics_elements
from controller.domain.host_devices import host_device_element, tpm_element
from controller.domain.interfaces import interface_element
from controller.domain.metadata import owner_element
from controller.domain.platform import platform_elements
from controller.domain.ports import port_elements
from controller.domain.serial import serial_elements
from controller.hypervisor.port import Owner, Power


def domain_xml(desired: DesiredDomain, power: Power = Power.ON) -> str:
    """The domain's definition, with whose it is and what is wanted of its power in the metadata."""
    owner = Owner(desired.uid, desired.namespace, desired.name, power, spec_hash(desired))
    domain = element(
        "domain",
        element("name", text=desired.domain_name),
        element("uuid", text=desired.uid),
        element("title", text=f"{desired.namespace}/{desired.name}"),
        element("metadata", owner_element(owner)),
        *platform_elements(desired),
        element("devices", *_devices(desired)),
        type=desired.virt_type,
    )
    indent(domain)
    return tostring(domain, encoding="unicode") + "\n"


def spec_hash(desired: DesiredDomain) -> str:
    """A digest of what differs from the defaults, so that a field added later does not change the digest of old VMs."""
    text = json.dumps(_said(desired), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _devices(desired: DesiredDomain) -> list[Element]:
    devices = [
        *disk_elements(desired.disks),
        *(interface_element(interface) for interface in desired.interfaces),
        *serial_elements(desired.console_log, desired.virtio_log),
        *([agent_element()] if desired.guest_agent else []),
        *graphics_elements(),
        *standard_elements(),
        *([tpm_element()] if desired.tpm else []),
        *(host_device_element(device) for device in desired.host_devices),
    ]
    return devices + port_elements(desired, devices)


def _said(value: object) -> object:
    if isinstance(value, tuple):
        return [_said(item) for item in value]
    if not is_dataclass(value):
        return value
    named = ((field, getattr(value, field.name)) for field in fields(value) if "unsaid" not in field.metadata)
    return {field.name: _said(there) for field, there in named if there != _default(field)}


def _default(field: "Field[object]") -> object:
    return field.default if field.default is not MISSING else None
