"""Models read what a newer server wrote, write what they were given, and conditions keep their time."""

from datetime import UTC, datetime, timedelta

import pytest

from hypersdk.model.base import Condition, JsonObject, condition, rfc3339, rfc3339_micro, with_condition
from hypersdk.model.kinds import OURS, VIRTUAL_MACHINES
from hypersdk.model.virtualmachine import Phase, VirtualMachine
from hypersdk.model.vmoperation import OperationPhase

EARLY = datetime(2026, 1, 1, tzinfo=UTC)
LATER = EARLY + timedelta(minutes=5)


def _ready(status: str, message: str = "") -> Condition:
    return Condition(type="Ready", status=status, message=message)


def test_a_new_condition_has_the_time_of_now() -> None:
    (only,) = with_condition(None, _ready("True"), EARLY)
    assert only.last_transition_time == EARLY


def test_the_time_of_a_condition_stays_while_its_status_does() -> None:
    before = with_condition(None, _ready("False", "booting"), EARLY)
    (after,) = with_condition(before, _ready("False", "still booting"), LATER)
    assert (after.last_transition_time, after.message) == (EARLY, "still booting")


def test_the_time_of_a_condition_moves_with_its_status() -> None:
    before = with_condition(None, _ready("False"), EARLY)
    (after,) = with_condition(before, _ready("True"), LATER)
    assert after.last_transition_time == LATER


def test_other_conditions_keep_their_place() -> None:
    conditions = with_condition(None, Condition(type="DiskReady", status="True"), EARLY)
    conditions = with_condition(conditions, _ready("False"), EARLY)
    conditions = with_condition(conditions, Condition(type="DiskReady", status="False"), LATER)
    assert [one.type for one in conditions] == ["DiskReady", "Ready"]
    found = condition(conditions, "Ready")
    assert found is not None
    assert found.last_transition_time == EARLY


def test_a_condition_that_is_not_there_is_none() -> None:
    assert condition(None, "Ready") is None
    assert condition([_ready("True")], "DiskReady") is None


def test_times_are_written_as_kubernetes_does() -> None:
    moment = datetime.fromisoformat("2026-02-04T11:00:00.123456+01:00")
    assert rfc3339(moment) == "2026-02-04T10:00:00Z"
    assert rfc3339_micro(moment) == "2026-02-04T10:00:00.123456Z"


WIRE: JsonObject = {
    "apiVersion": "hypersdk.io/v1alpha1",
    "kind": "VirtualMachine",
    "metadata": {
        "name": "web",
        "namespace": "default",
        "uid": "u",
        "resourceVersion": "7",
        "generation": 2,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "managedFields": [{"manager": "kubectl"}],
    },
    "spec": {
        "cpus": 2,
        "memory": "1Gi",
        "running": True,
        "machineType": "q35",
        "aNewField": {"of": ["a newer server"]},
    },
    "status": {"phase": "Running", "resources": {"cpu": {"usage": "45%", "requests": 4}}, "somethingNew": 1},
}


def test_what_a_newer_server_wrote_is_not_lost() -> None:
    assert VirtualMachine.model_validate(WIRE).wire() == WIRE


def test_a_change_keeps_everything_else() -> None:
    vm = VirtualMachine.model_validate(WIRE)
    changed = vm.but(spec=vm.spec.but(cpus=4)).wire()
    assert changed["spec"] == {**WIRE["spec"], "cpus": 4}  # type: ignore[dict-item]  # it is an object
    assert vm.spec.cpus == 2


def test_models_cannot_be_changed_in_place() -> None:
    vm = VirtualMachine.model_validate(WIRE)
    with pytest.raises(ValueError, match="frozen"):
        vm.spec.cpus = 4  # type: ignore[misc]  # that it is refused is the point


def test_an_unseen_machine_is_pending() -> None:
    vm = VirtualMachine.model_validate(WIRE | {"status": {}})
    assert vm.phase is Phase.PENDING


def test_operations_are_over_in_three_phases() -> None:
    assert {phase.value for phase in OperationPhase if phase.is_over} == {"Succeeded", "Failed", "Cancelled"}


def test_paths_name_namespace_object_and_subresource() -> None:
    path = VIRTUAL_MACHINES.path
    assert path() == "/apis/hypersdk.io/v1alpha1/virtualmachines"
    assert path("default") == "/apis/hypersdk.io/v1alpha1/namespaces/default/virtualmachines"
    assert path("default", "web", "status").endswith("/namespaces/default/virtualmachines/web/status")


def test_no_two_kinds_share_a_name() -> None:
    words = [word for kind in OURS for word in (kind.plural, kind.singular, *kind.short_names)]
    double = sorted({word for word in words if words.count(word) > 1} - {"vmnode"})
    assert double == [], "a word that people type must mean one kind (vmnode is its own short name)"
