"""What each guest was started with, kept on disk: to tell which fields of the spec have changed since."""

import os
from dataclasses import dataclass

from controller.domain.build import spec_hash
from controller.domain.desired import DesiredDomain
from controller.hypervisor.port import ObservedDomain
from controller.node.desired import differences, from_json, to_json
from controller.node.places import NodePlaces


@dataclass(frozen=True)
class Definitions:
    """The definitions by uid; losing one only costs the names of the changed fields."""

    places: NodePlaces

    def keep(self, desired: DesiredDomain) -> None:
        """Written before the start that it belongs to."""
        path = self.places.definition(desired.uid)
        fresh = path.with_suffix(".tmp")
        fresh.write_text(to_json(desired))
        os.replace(fresh, path)

    def running(self, observed: ObservedDomain | None) -> DesiredDomain | None:
        """What the running guest was started with; None when nothing runs or it is not known."""
        if observed is None or not observed.is_active:
            return None
        try:
            kept = from_json(self.places.definition(observed.uuid).read_text())
        except OSError:
            return None
        return kept if kept is not None and spec_hash(kept) == observed.running_spec_hash else None


def drift(observed: ObservedDomain | None, running: DesiredDomain | None, wanted: DesiredDomain) -> tuple[str, ...]:
    """The fields in which the running guest is not the wanted one."""
    if observed is None or not observed.is_active or observed.running_spec_hash in {"", spec_hash(wanted)}:
        return ()
    return differences(running, wanted) if running is not None else ("spec",)
