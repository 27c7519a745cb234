"""Which phases a VM goes through; apart from the models, for words and signs need no more than this."""

from enum import StrEnum


class Phase(StrEnum):
    """The eight phases of the document."""

    PENDING = "Pending"
    CREATING = "Creating"
    RUNNING = "Running"
    STOPPED = "Stopped"
    MIGRATING = "Migrating"
    PAUSED = "Paused"
    FAILED = "Failed"
    UNKNOWN = "Unknown"
