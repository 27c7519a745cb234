"""Which operations are tried, by the names that the command line has for them?"""

from tests.campaign.work.backups import BackingUp, BackingUpChanges, RestoringAnew, RestoringInPlace
from tests.campaign.work.clones import Cloning, CloningSnapshot, Linking, LinkingSnapshot
from tests.campaign.work.moves import Moving, MovingOff, MovingShared
from tests.campaign.work.sizes import Growing, Resizing
from tests.campaign.work.snapshots import Merging, Restoring, RestoringMemory, Taking, TakingMemory, TakingQuiesced
from tests.campaign.work.templates import Templating
from tests.campaign.work.trial import Trial

HERE: dict[str, tuple[type[Trial], ...]] = {
    "snapshot": (Taking, TakingMemory, TakingQuiesced),
    "restore": (Restoring, RestoringMemory),
    "merge": (Merging,),
    "clone": (Cloning, Linking, CloningSnapshot, LinkingSnapshot),
    "resize": (Resizing, Growing),
    "backup": (BackingUp, BackingUpChanges),
    "restorejob": (RestoringAnew, RestoringInPlace),
    "template": (Templating,),
}
"""On one node."""
BETWEEN: dict[str, tuple[type[Trial], ...]] = {"migrate": (Moving, MovingShared, MovingOff)}
"""Between two."""
NAMES = (*HERE, *BETWEEN)


def titles() -> list[str]:
    """Of all of them, in their order."""
    return [kind.title for kinds in (HERE | BETWEEN).values() for kind in kinds]
