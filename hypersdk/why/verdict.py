"""Why is this VM not well? The shortest sentence for what the chain shows, and what mends it: pure."""

from collections.abc import Mapping
from typing import Final

from hypersdk.model.virtualmachine import Phase
from hypersdk.why.chain import RESTART_REQUIRED, STOPPING, chain, node_trouble
from hypersdk.why.diagnosis import Diagnosis, Link, Mend, Verdict
from hypersdk.why.facts import Facts

START: Final = Mend("vm.start")
_ENDS: Final[Mapping[str, tuple[str, Mend]]] = {
    "GuestShutdown": ("The guest powered itself off.", START),
    "GuestCrashed": ("The guest crashed.", START),
    "PowerCutOutside": ("Somebody cut its power, not through this API.", START),
    "StoppedOutside": ("It went off by itself.", START),
    "ForeignDomain": ("Another domain has its UUID.", Mend(advice="rename or undefine that domain on the node")),
    "Unschedulable": ("No node takes it.", Mend(advice="free or add a node, or ask for less")),
}
"""By the reason of Ready."""
_SEVERITY: Final = (Verdict.BAD, Verdict.UNKNOWN, Verdict.BUSY)


def diagnose(facts: Facts) -> Diagnosis:
    """Why the VM is as it is."""
    links = chain(facts)
    sentence, verdict, mend = _answer(facts, links)
    return Diagnosis(sentence, verdict, mend, links)


def _answer(facts: Facts, links: tuple[Link, ...]) -> tuple[str, Verdict, Mend]:
    vm = facts.vm
    if trouble := node_trouble(facts):
        words = f"{trouble[0].upper()}{trouble[1:]}."
        return words, Verdict.BAD, Mend(advice="look at the node's controller: hyperctl status, or its service's log")
    if vm.metadata.deletion_timestamp is not None:
        return "It is being deleted.", Verdict.BUSY, Mend(advice="it is gone when its finalizers are")
    if facts.reason in _ENDS:
        sentence, mend = _ENDS[facts.reason]
        return sentence, Verdict.BAD, mend
    match vm.phase:
        case Phase.RUNNING:
            return _running(facts, links)
        case Phase.STOPPED:
            return "It is off, as wanted.", Verdict.WELL, START
        case Phase.PAUSED:
            return f"It is paused: {_words(facts)}.", Verdict.BAD, Mend("vm.resume")
        case Phase.FAILED:
            return f"{_words(facts) or 'It failed'}.", Verdict.BAD, _after_failure(facts)
        case Phase.UNKNOWN:
            return f"{_words(facts) or 'Nobody can tell'}.", Verdict.UNKNOWN, Mend(advice="nothing was done to it")
    return _on_its_way(facts)


def _running(facts: Facts, links: tuple[Link, ...]) -> tuple[str, Verdict, Mend]:
    if facts.holding(STOPPING) is not None:
        return "The guest was asked to power off and has not yet.", Verdict.BUSY, Mend("vm.stop", force=True)
    if (drift := facts.holding(RESTART_REQUIRED)) is not None:
        return f"A restart is due: {drift.message}.", Verdict.BAD, Mend("vm.restart")
    worst = next((link for severity in _SEVERITY for link in links if link.verdict is severity), None)
    if worst is None:
        return "Nothing is wrong with it.", Verdict.WELL, Mend()
    return f"It runs, but {worst.words}.", worst.verdict, Mend(advice="its console tells more")


def _on_its_way(facts: Facts) -> tuple[str, Verdict, Mend]:
    words = _words(facts) or ("no controller has looked at it yet" if not facts.vm.status.phase else "on its way")
    return f"It is {facts.vm.phase}: {words}.", Verdict.BUSY, Mend(advice="it goes on by itself")


def _after_failure(facts: Facts) -> Mend:
    if facts.reason == "StartFailed":
        return START
    return Mend(advice="mend what is named here; it is tried again when the spec changes, or by start")


def _words(facts: Facts) -> str:
    message = facts.ready.message if facts.ready else ""
    return (message or facts.reason).partition("\n")[0].rstrip(".")
