"""What can an incremental backup stand on, and which backups of a series may go? Pure."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from controller.node.backups.capture import checkpoint_of
from controller.node.backups.index import Entry, Index
from hypersdk.model.backupjob import BackupRetention

LONGEST_CHAIN = 30
"""Then a full one is made: each link is one more that must not get lost, and one more to read for a restore."""


def base_for(
    index: Index, vm_uid: str, layers: Mapping[str, str], checkpoints: Collection[str], ref: str = ""
) -> tuple[Entry | None, str]:
    """The newest backup that an incremental one can stand on; else None and why a full one is made."""
    mine = [one for one in index.backups if one.vm_uid == vm_uid and (not ref or one.job == ref)]
    if not mine:
        told = f"there is no backup {ref} of this VM here" if ref else "it is the first of this VM here"
        return None, told
    marked = [one for one in mine if checkpoint_of(one.uid) in checkpoints]
    if not marked:
        return None, f"nothing marks what changed since {mine[-1].job}"
    newest = marked[-1]
    if newest.layers != layers:
        return None, f"the disks have other layers than when {newest.job} was made"
    chain = index.chain(newest.folder)
    if chain[-1].base:
        return None, f"the chain of {newest.job} is broken: {chain[-1].base} is not there"
    if len(chain) >= LONGEST_CHAIN:
        return None, f"{len(chain)} backups stand on each other already"
    return newest, ""


def expired(index: Index, retention: BackupRetention) -> list[Entry]:
    """The backups that no rule keeps and that no kept one stands on; those that stand on others come first."""
    wanted = (retention.keep_daily, retention.keep_weekly, retention.keep_monthly, retention.keep_yearly)
    if all(count is None for count in wanted):
        return []
    # Of two of one moment the later in the list is the newer.
    places = {one.folder: place for place, one in enumerate(index.backups)}
    newest_first = sorted(index.backups, key=lambda one: (one.created, places[one.folder]), reverse=True)
    kept = {newest_first[0].folder} if newest_first else set()
    for count, period in zip(wanted, _PERIODS, strict=True):
        kept |= {one.folder for one in _newest_of_each(newest_first, period)[: count or 0]}
    needed = {link.folder for folder in kept for link in index.chain(folder)}
    return [one for one in newest_first if one.folder not in needed]


def _newest_of_each(newest_first: Sequence[Entry], period: Callable[[datetime], tuple[int, ...]]) -> list[Entry]:
    found: dict[tuple[int, ...], Entry] = {}
    for one in newest_first:
        found.setdefault(period(one.created), one)
    return list(found.values())


_PERIODS: tuple[Callable[[datetime], tuple[int, ...]], ...] = (
    lambda moment: (moment.year, moment.month, moment.day),
    lambda moment: tuple(moment.isocalendar()[:2]),
    lambda moment: (moment.year, moment.month),
    lambda moment: (moment.year,),
)
