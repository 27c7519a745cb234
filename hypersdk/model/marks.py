"""Which names of ours stand on objects, as annotations and finalizers?"""

CANCEL = "hypersdk.io/cancel"
"""An annotation with this name on an operation asks for its end, whatever its value."""
KEEP_DISKS = "hypersdk.io/keep-disks"
"""An annotation: `"true"` on a VM leaves its disks on the node when it is deleted."""
OPERATION_FINALIZER = "hypersdk.io/vmoperation-finalizer"
"""Holds an operation that has begun until it is over: deleting it is cancelling it."""
