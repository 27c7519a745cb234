"""How far is a VM on its way, and will it get there? Pure."""

from controller.hypervisor.mover import TransferState
from hypersdk.model.base import JsonObject
from hypersdk.model.quantity import human_bytes

FIRST_PERCENT, LAST_PERCENT = 15, 90
DISKS_PART = 0.5
MOST_PASSES = 4
"""So many over its memory, and post-copy is used where it may be."""
ADVICE = (
    "raise the bandwidth, let autoConverge slow the guest down, use postCopy, or move it while it is off (live: false)"
)


def percent(state: TransferState) -> int:
    """Between the preparation and the hand-over."""
    disks, memory = (_done(state.disk_total, state.disk_remaining), _done(state.memory_total, state.memory_remaining))
    # The disks come first; before the memory's turn nothing is known of it.
    done = disks * DISKS_PART if not state.memory_total else memory
    if state.memory_total and state.disk_total:
        done = DISKS_PART + memory * (1 - DISKS_PART)
    return FIRST_PERCENT + int(done * (LAST_PERCENT - FIRST_PERCENT))


def verdict(state: TransferState) -> str:
    """Whether it comes to an end, and when."""
    if state.is_following:
        return "it runs there already, and the rest of its memory follows"
    if not state.memory_total and not state.disk_total:
        return "preparing"
    if not state.memory_total:
        return "the disks come first"
    if not state.memory_bps:
        return "no rate is known yet"
    if state.iterations <= 1:
        return f"the first pass takes {_seconds(state.memory_remaining / state.memory_bps)} more"
    if state.memory_bps > state.dirty_bps:
        return f"will converge in {_seconds(state.memory_remaining / (state.memory_bps - state.dirty_bps))}"
    rates = f"the guest writes {human_bytes(state.dirty_bps)}/s, {human_bytes(state.memory_bps)}/s are copied"
    if state.throttle_percent:
        return f"will not converge as it is: {rates}; the guest is slowed down by {state.throttle_percent}%"
    return f"will not converge: {rates}; {ADVICE}"


def wants_post_copy(state: TransferState) -> bool:
    """Whether another pass leads nowhere: one was made, and it writes as fast as is copied, or they are many."""
    converges = state.memory_bps > state.dirty_bps and state.iterations <= MOST_PASSES
    return state.iterations > 1 and state.memory_remaining > 0 and not converges and not state.is_following


def words(state: TransferState) -> str:
    """For a person."""
    left = []
    if state.disk_remaining:
        rate = f" at {human_bytes(state.disk_bps)}/s" if state.disk_bps else ""
        left.append(f"{human_bytes(state.disk_remaining)} of disks left{rate}")
    if state.memory_total:
        rate = f" at {human_bytes(state.memory_bps)}/s" if state.memory_bps else ""
        left.append(f"{human_bytes(state.memory_remaining)} of memory left{rate}, pass {state.iterations}")
    return "; ".join([*left, verdict(state)])


def figures(state: TransferState) -> JsonObject:
    """For `status.result`."""
    return {
        "memoryTotalBytes": state.memory_total,
        "memoryRemainingBytes": state.memory_remaining,
        "memoryBytesPerSecond": state.memory_bps,
        "dirtyBytesPerSecond": state.dirty_bps,
        "iterations": state.iterations,
        "diskTotalBytes": state.disk_total,
        "diskRemainingBytes": state.disk_remaining,
        "expectedDowntimeMilliseconds": state.downtime_ms,
        "throttlePercent": state.throttle_percent,
        "verdict": verdict(state),
    }


def _done(total: int, left: int) -> float:
    return 1 - min(left / total, 1.0) if total else 0.0


def _seconds(count: float) -> str:
    return f"{max(round(count), 1)} s"
