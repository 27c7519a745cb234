"""What did a VM take of its template? Written down on the VM when it got its node. Pure.

A VM's owner can write anything there; it is trusted no more than `image.source`. That an image which was made on this
node is meant for the VM is asked of the template itself.
"""

import json
from dataclasses import dataclass

from pydantic import JsonValue, ValidationError

from hypersdk.errors import Terminal
from hypersdk.model.marks import TEMPLATE, TEMPLATE_NODE
from hypersdk.model.virtualmachine import Checksum, VirtualMachine
from hypersdk.model.vmtemplate import VMTemplate

MADE_HERE = "template://"
"""With the template's uid: an image that was made of a VM's disk, and lies on one node."""
FROM_VM = "vm://"
"""In a template: its image is to be made of the VM of that name."""
FROM_SNAPSHOT = "snapshot://"
"""The same of a snapshot."""


@dataclass(frozen=True)
class Taken:
    """The template's part in a VM."""

    uid: str
    source: str
    checksum: Checksum | None = None
    node: str = ""
    """The only node that has the image; empty for any."""
    secret: str = ""
    """The template's, with the credentials of its source."""


def taken(vm: VirtualMachine) -> Taken | None:
    """What the VM took; None when it names no template, or has taken nothing yet."""
    text = (vm.metadata.annotations or {}).get(TEMPLATE)
    if text is None or vm.spec.image is None or vm.spec.image.template_ref is None:
        return None
    try:
        told = json.loads(text)
        checksum = Checksum.model_validate(told["checksum"]) if told.get("checksum") else None
        secret, node = str(told.get("secret") or ""), str(told.get("node") or "")
        return Taken(str(told["uid"]), str(told["source"]), checksum, node, secret)
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
        words = f"the annotation {TEMPLATE} cannot be read: take it away, and the template is taken anew"
        raise Terminal("TemplateUnreadable", words) from error


def note(template: VMTemplate) -> str:
    """What is written down on a VM that takes it."""
    image, meta = template.spec.image, template.metadata
    told: dict[str, JsonValue] = {
        "name": meta.name,
        "uid": meta.uid,
        "version": template.spec.version,
        "generation": meta.generation,
        "source": f"{MADE_HERE}{meta.uid}" if is_made(template) else image.source,
        "format": image.format,
        "checksum": image.checksum.wire() if image.checksum is not None else None,
        "secret": image.secret_ref.name if image.secret_ref is not None else None,
        "node": (meta.annotations or {}).get(TEMPLATE_NODE),
    }
    return json.dumps({key: value for key, value in told.items() if value is not None})


def is_made(template: VMTemplate) -> bool:
    """Whether its image is made of a disk of a VM here, not fetched."""
    return template.spec.image.source.startswith((FROM_VM, FROM_SNAPSHOT))
