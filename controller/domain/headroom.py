"""How far can a VM grow while it runs? The most CPUs and memory that QEMU is told of when it starts: pure.

What it costs, and why these numbers, is in docs/decisions/head-room.md.
"""

GROWTH = 4
CPUS_AT_LEAST = 16
"""A small VM may grow to four times its CPUs or this, whichever is less; a larger one to twice its CPUs."""
MOST_CPUS = 240
"""What every machine type takes without further settings."""
LEAST_MEMORY = 2**30
"""Below it there is no head-room: a guest that might get memory above 4 GiB sets 64 MiB aside for bounce buffers."""
MOST_MEMORY = 256 * 2**30
"""Well within the addresses that any x86-64 CPU has, emulated ones included."""
MEMORY_SLOTS = 16
MEMORY_STEP = 128 * 2**20
"""Linux and Windows take memory in while they run in pieces of this size."""


def most_cpus(cpus: int) -> int:
    """As many CPUs as the VM may have until its next start."""
    wanted = max(2 * cpus, min(GROWTH * cpus, CPUS_AT_LEAST))
    return max(cpus, min(wanted, MOST_CPUS))


def most_memory(memory_bytes: int) -> int:
    """As much memory as the VM may have until its next start; what it has where it can get no more."""
    if memory_bytes < LEAST_MEMORY:
        return memory_bytes
    return max(memory_bytes, min(GROWTH * memory_bytes, MOST_MEMORY))
