"""What each guest was started with, kept on disk: to tell which fields of the spec have changed since.

What has been changed of the guest while it runs is not written here: it is seen in the running domain.
"""

import logging
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from controller.domain.build import spec_hash
from controller.domain.desired import DesiredDomain
from controller.hypervisor.port import ObservedDomain
from controller.node.desired import from_json, to_json
from controller.node.live import Gap, gap
from controller.node.places import NodePlaces

log = logging.getLogger(__name__)
REMEMBERED = 1024
"""A running guest is looked at again and again, and what it was started with stays what it is."""


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
            return _kept(self.places.definition(observed.uuid), observed.running_spec_hash)
        except (OSError, LookupError):
            return None


@lru_cache(maxsize=REMEMBERED)
def _kept(path: Path, digest: str) -> DesiredDomain:
    """The definition with that digest; LookupError when another one is kept."""
    kept = from_json(path.read_text())
    if kept is None or spec_hash(kept) != digest:
        raise LookupError(digest)
    return kept


def drift(observed: ObservedDomain | None, started: DesiredDomain | None, wanted: DesiredDomain) -> Gap:
    """How the running guest differs from the wanted one; all that is known of one of unknown start is that it does."""
    if observed is None or not observed.is_active or not observed.running_spec_hash:
        return Gap()
    if started is not None:
        return gap(started, observed.hardware, wanted)
    return Gap() if observed.running_spec_hash == spec_hash(wanted) else Gap(waiting=("spec",))
