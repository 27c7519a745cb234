"""What is known of one VM while a pass goes on?"""

from dataclasses import dataclass

from controller.hypervisor.port import ObservedDomain
from controller.node.apply import Subject
from controller.node.intent import Intent
from controller.node.prepare import Prepared
from hypersdk.model.vmoperation import VMOperation


@dataclass
class State:
    """What is known of one VM while a pass goes on."""

    subject: Subject
    observed: ObservedDomain | None
    operation: VMOperation | None
    prepared: Prepared
    intent: Intent
    working: str = ""
    """The work that goes on and keeps the VM from being brought to its spec."""
