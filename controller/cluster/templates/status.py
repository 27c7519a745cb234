"""What is said of a template, from what was found. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from controller.node.finding import Finding
from hypersdk.model.base import Condition, condition, with_condition
from hypersdk.model.quantity import human_bytes
from hypersdk.model.vmtemplate import VMTemplate, VMTemplateStatus
from hypersdk.plaintext import plain

MOST_NAMED = 5
BROKEN = frozenset({"ChecksumMismatch", "ImageInvalid", "ImageTooLarge", "ImageFormatUnsupported"})
"""Reasons of an image that is reachable and of no use."""


_LATER = Finding("Unknown", "NotLookedAt", "looked at when the rest is right")


@dataclass(frozen=True)
class Sight:
    """What one look found."""

    faults: Sequence[str] = ()
    image: Finding = _LATER
    size_bytes: int = 0

    @property
    def is_ready(self) -> bool:
        """Whether VMs can be made of it."""
        return not self.faults and self.image.status == "True"


def unfit(reason: str, message: str) -> Finding:
    """Why the image cannot be used: it cannot be had, or it is not what it should be."""
    kind = "ImageCheckFailed" if reason in BROKEN else "ImageNotAccessible"
    return Finding("False", kind, f"{reason}: {message}")


def status_of(template: VMTemplate, sight: Sight, usage: int, now: datetime) -> VMTemplateStatus:
    """The status after a look."""
    valid = Finding("False", "ValidationFailed", "; ".join(sight.faults)) if sight.faults else Finding("True", "Valid")
    ready = Finding("True", "TemplateReady", "VMs can be made of it")
    if not sight.is_ready:
        worst = valid if sight.faults else sight.image
        ready = Finding("False", worst.reason, worst.message)
    old, conditions = template.status, template.status.conditions
    for kind, finding in (("Valid", valid), ("ImageAccessible", sight.image), ("Ready", ready)):
        told = Condition(type=kind, status=finding.status, reason=finding.reason, message=plain(finding.message))
        conditions = with_condition(conditions, told, now)
    is_news = not old.ready or old.observed_generation != template.metadata.generation
    return old.but(
        ready=sight.is_ready,
        size=human_bytes(sight.size_bytes) if sight.size_bytes else old.size,
        last_updated=now if sight.is_ready and is_news else old.last_updated,
        usage_count=usage,
        observed_generation=template.metadata.generation,
        conditions=conditions,
    )


def held(template: VMTemplate, users: Sequence[str], now: datetime) -> VMTemplateStatus:
    """The status of one that is to be deleted while VMs name it."""
    named = ", ".join(users[:MOST_NAMED]) + (f" and {len(users) - MOST_NAMED} more" if users[MOST_NAMED:] else "")
    words = f"it is deleted when no VM names it any more; now {named} do" if users[1:] else _one(named)
    ready = Condition(type="Ready", status="False", reason="InUse", message=plain(words))
    conditions = with_condition(template.status.conditions, ready, now)
    return template.status.but(ready=False, usage_count=len(users), conditions=conditions)


def is_known(template: VMTemplate) -> bool:
    """Whether its image was found to be right, and nothing of the spec has changed since."""
    found = condition(template.status.conditions, "ImageAccessible")
    is_current = template.status.observed_generation == template.metadata.generation
    return bool(is_current and template.status.ready and found is not None and found.status == "True")


def _one(name: str) -> str:
    return f"it is deleted when no VM names it any more; now {name} does"
