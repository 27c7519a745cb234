"""What each guest was started with, kept on disk: to tell which fields of the spec have changed since.

What has been changed of the guest while it runs is not written here: it is seen in the running domain.
"""

import logging
import os
from dataclasses import dataclass

from controller.domain.build import spec_hash
from controller.domain.desired import DesiredDomain
from controller.hypervisor.port import ObservedDomain
from controller.node.desired import from_json, to_json
from controller.node.live import Gap, gap
from controller.node.places import NodePlaces

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Definitions:
    """The definitions by uid; losing one only costs the names of the changed fields."""

    places: NodePlaces

    def keep(self, desired: DesiredDomain) -> None:
        """Written before the start that it belongs to, which does not fail where that cannot be written."""
        path = self.places.definition(desired.uid)
        fresh = path.with_suffix(".tmp")
        try:
            fresh.write_text(to_json(desired))
            os.replace(fresh, path)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            log.warning("uid=%s its definition is not kept: %s", desired.uid, error)

    def running(self, observed: ObservedDomain | None) -> DesiredDomain | None:
        """What the running guest was started with; None when nothing runs or it is not known."""
        if observed is None or not observed.is_active:
            return None
        try:
            kept = from_json(self.places.definition(observed.uuid).read_text())
        except OSError:
            return None
        return kept if kept is not None and spec_hash(kept) == observed.running_spec_hash else None


def drift(observed: ObservedDomain | None, started: DesiredDomain | None, wanted: DesiredDomain) -> Gap:
    """How the running guest differs from the wanted one; all that is known of one of unknown start is that it does."""
    if observed is None or not observed.is_active or not observed.running_spec_hash:
        return Gap()
    if started is not None:
        return gap(started, observed.hardware, wanted)
    return Gap() if observed.running_spec_hash == spec_hash(wanted) else Gap(waiting=("spec",))
