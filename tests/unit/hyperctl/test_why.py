"""What `vm why` prints."""

from hyperctl.k8s.why import told
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.why.diagnosis import Diagnosis, Level, Link, Mend, Verdict

VM = VirtualMachine.model_validate(
    {"metadata": {"name": "web", "namespace": "prod"}, "spec": {"cpus": 1, "memory": "1Gi"}}
)
CRASH = Link(Level.QEMU, Verdict.BAD, "QEMU ended", ("terminating on signal 9",))


def test_sentence_comes_first_and_then_the_command_that_mends() -> None:
    found = Diagnosis("The guest crashed.", Verdict.BAD, Mend("vm.start"), (CRASH,))

    assert told(found, VM).splitlines() == [
        "web: The guest crashed.",
        "what helps: hyperctl k8s vm start web -n prod",
        "",
        "qemu       bad      QEMU ended",
        "                    terminating on signal 9",
    ]


def test_force_is_part_of_the_command() -> None:
    found = Diagnosis("It hangs.", Verdict.BUSY, Mend("vm.stop", force=True), ())

    assert "hyperctl k8s vm stop web -n prod --force" in told(found, VM)


def test_nothing_of_a_guest_steers_the_terminal() -> None:
    hostile = Link(Level.GUEST, Verdict.BAD, "\x1b]0;gotcha\x07", ("\x9b2J",))

    assert "\x1b" not in told(Diagnosis("\x1b[31m", Verdict.BAD, Mend(), (hostile,)), VM)
