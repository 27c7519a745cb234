"""What a part of a VM looks like to a person: fine or not, with a reason and words."""

from dataclasses import dataclass
from typing import Literal

from hypersdk.errors import Transient


@dataclass(frozen=True)
class Finding:
    """One condition's worth: status, CamelCase reason, words."""

    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str = ""


class NotYet(Transient):
    """Not possible now, for a reason that a person should see; tried again after a while."""

    def __init__(self, reason: str, message: str, retry_in_s: float = 10.0) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_in_s = retry_in_s
