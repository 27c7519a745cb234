"""Which names of ours stand on objects, as annotations and finalizers?"""

from hypersdk.model.base import Resource

CANCEL = "hypersdk.io/cancel"
"""An annotation with this name on an operation asks for its end, whatever its value."""
KEEP_DISKS = "hypersdk.io/keep-disks"
"""An annotation: `"true"` on a VM leaves its disks on the node when it is deleted."""
FILLING = "hypersdk.io/filling"
"""An annotation on a VM: the uid of what fills its disks. Until it is taken away no node makes or starts anything."""
CLONED_FROM = "hypersdk.io/cloned-from"
"""An annotation on a VM: the VM that its disks were copied from, so that its guest takes an identity of its own."""
OPERATION_FINALIZER = "hypersdk.io/vmoperation-finalizer"
"""Holds an operation that has begun until it is over: deleting it is cancelling it."""
SNAPSHOT_FINALIZER = "hypersdk.io/vmsnapshot-finalizer"
"""Holds a snapshot until its files are merged or removed."""
MADE_BY = "hypersdk.io/made-by"
"""An annotation on a VMSnapshot: the uid of the operation that made the object."""
MADE_FOR = "hypersdk.io/made-for"
"""An annotation on an operation: the uid of the VMSnapshot for whose sake the controller made it."""
BACKUP_FINALIZER = "hypersdk.io/backupjob-finalizer"
"""Holds a backup that has begun: deleting it is cancelling it."""
RESTORE_FINALIZER = "hypersdk.io/restorejob-finalizer"
"""The same of a restore."""
VERIFY = "hypersdk.io/verify"
"""An annotation: a new value on a BackupJob asks for its backup to be read and checked."""
DELETE_DATA = "hypersdk.io/delete-data"
"""An annotation: with any value on a finished BackupJob it asks for the backup itself to be removed."""
SCHEDULE = "hypersdk.io/schedule"
"""A label: the BackupSchedule that a BackupJob was made by."""
SCHEDULED_BACKUP = "hypersdk.io/scheduled-backup"
"""A label: `"true"` on each BackupJob that a schedule made."""
SCHEDULED_AT = "hypersdk.io/scheduled-at"
"""An annotation: the time for which a schedule made the BackupJob."""


def is_filled(obj: Resource) -> bool:
    """Whether somebody still fills the VM's disks."""
    return FILLING in (obj.metadata.annotations or {})
