"""From the four fields of the form to a VirtualMachine, or words about what is wrong with them."""

import re
from dataclasses import dataclass

from pydantic import ValidationError

from hypersdk.errors import UsageError
from hypersdk.model.base import JsonObject
from hypersdk.model.virtualmachine import VirtualMachineSpec

NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
"""DNS subdomain (Kubernetes: Object names and IDs)."""


@dataclass(frozen=True)
class Wish:
    """What was typed."""

    name: str
    image: str
    cpus: str
    memory: str

    @property
    def command(self) -> str:
        """The `hyperctl` line that does the same, but for the namespace."""
        return f"hyperctl k8s vm create -name {self.name} -cpus {self.cpus} -memory {self.memory} -image {self.image}"

    def manifest(self) -> JsonObject:
        """The object to create; UsageError names the field that is wrong."""
        if not NAME.fullmatch(self.name) or len(self.name) > 253:
            raise UsageError("name: small letters, digits and '-' only, such as web-1")
        if not self.image:
            raise UsageError("image: a short name such as demo, or a URL")
        if not self.cpus.isascii() or not self.cpus.isdigit():
            raise UsageError("cpus: a number from 1 to 128")
        spec: JsonObject = {"cpus": int(self.cpus), "memory": self.memory, "image": {"source": self.image}}
        try:
            VirtualMachineSpec.model_validate(spec)
        except ValidationError as error:
            field = str(error.errors()[0]["loc"][0])
            hint = {"memory": "such as 512Mi or 4Gi", "cpus": "a number from 1 to 128"}.get(field, "is not accepted")
            raise UsageError(f"{field}: {hint}") from error
        return {"metadata": {"name": self.name}, "spec": spec}
