"""What happened to one VM: its events and its operations in one list, newest first."""

from collections.abc import Iterable
from datetime import datetime

from hypersdk.model.core import Event
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmoperation import OperationPhase, VMOperation
from hypersdk.plaintext import plain
from tui.cells import Key
from tui.columns import age
from tui.glyphs import Glyphs
from tui.tone import Line, Span, Tone, line

LONGEST = 500


def timeline(
    key: Key, events: Iterable[Event], operations: Iterable[VMOperation], now: datetime, glyphs: Glyphs
) -> list[Line]:
    """The lines about the VM of that key."""
    happened = [(one.seen_at, _event(one, now)) for one in events if about(one) == key]
    happened += [(_since(one), _operation(one, now, glyphs)) for one in operations if one.machine == key]
    happened.sort(key=lambda pair: pair[0].timestamp() if pair[0] else 0.0, reverse=True)
    return [words for _, words in happened[:LONGEST]] or [line(Span("Nothing was written down yet.", Tone.DIM))]


def about(event: Event) -> Key:
    """The key of the object that the event is about."""
    return (event.involved_object.namespace or event.metadata.namespace or "", event.involved_object.name or "")


def deleted(vm: VirtualMachine) -> Line:
    """The words for a VM that is no more."""
    return line(Span(f"{plain(vm.metadata.name)} was deleted; this is the last that was seen of it.", Tone.BAD))


def _since(operation: VMOperation) -> datetime | None:
    status = operation.status
    return status.completion_time or status.start_time or operation.metadata.creation_timestamp


def _event(event: Event, now: datetime) -> Line:
    tone = Tone.WARN if event.type == "Warning" else Tone.PLAIN
    times = f" (x{event.count})" if event.count and event.count > 1 else ""
    reason = f"{'! ' if event.type == 'Warning' else ''}{plain(event.reason or '')}"
    return line(
        Span(f"{age(event.seen_at, now):>4}  ", Tone.DIM), Span(reason, tone), f"{times}  ", plain(event.message or "")
    )


def _operation(operation: VMOperation, now: datetime, glyphs: Glyphs) -> Line:
    sign, tone = {
        OperationPhase.SUCCEEDED: (glyphs.well, Tone.OK),
        OperationPhase.FAILED: (glyphs.failed, Tone.BAD),
        OperationPhase.CANCELLED: (glyphs.failed, Tone.WARN),
    }.get(operation.phase, (glyphs.busy, Tone.ACCENT))
    progress = f" {operation.status.progress}%" if operation.status.progress and not operation.phase.is_over else ""
    words = f"{sign} {operation.spec.operation} {operation.phase}{progress}"
    message = f"  {plain(operation.status.message)}" if operation.status.message else ""
    return line(Span(f"{age(_since(operation), now):>4}  ", Tone.DIM), Span(words, tone), message)
