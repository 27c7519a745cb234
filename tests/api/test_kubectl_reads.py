"""kubectl get, describe, explain: tables, selectors, watching, and the names that people type."""

import json

import pytest
import yaml

from tests.api.builders import at, operation, virtual_machine
from tests.controlplane.kubectl import Kubectl, Refused


def _observed(kubectl: Kubectl, name: str, **status: object) -> None:
    kubectl("patch", "vm", name, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))


def test_table_has_the_columns_of_the_document(kubectl: Kubectl) -> None:
    kubectl.apply(virtual_machine("web", cpus=2, memory="1Gi"))
    _observed(kubectl, "web", phase="Running", nodeName="node-1", ipAddresses=["10.0.0.5", "10.0.0.6"])
    header, row = kubectl("get", "vm").splitlines()
    assert header.split() == ["NAME", "STATUS", "CPUS", "MEMORY", "NODE", "IPS", "AGE"]
    assert row.split()[:6] == ["web", "Running", "2", "1Gi", "node-1", "10.0.0.5"]


def test_table_cells_of_an_unseen_machine_are_empty(kubectl: Kubectl) -> None:
    kubectl.apply(virtual_machine("web"))
    assert kubectl("get", "vm", "--no-headers").split()[:3] == ["web", "1", "256Mi"]


def test_table_of_every_namespace_names_it(kubectl: Kubectl) -> None:
    kubectl.apply(virtual_machine("web"))
    header, *rows = kubectl("get", "vm", "-A").splitlines()
    assert header.split()[:2] == ["NAMESPACE", "NAME"]
    assert [kubectl.namespace, "web"] in [row.split()[:2] for row in rows]


def test_table_shows_labels(kubectl: Kubectl) -> None:
    kubectl.apply(virtual_machine("web", labels={"app": "shop"}))
    assert "app=shop" in kubectl("get", "vm", "--show-labels")
    assert kubectl("get", "vm", "-L", "app").splitlines()[0].split()[-1] == "APP"


def test_operations_have_their_own_columns(kubectl: Kubectl) -> None:
    kubectl.apply(operation("stop-web", "web", "stop"))
    header, row = kubectl("get", "vmop").splitlines()
    assert header.split() == ["NAME", "VM", "OPERATION", "STATUS", "PROGRESS", "AGE"]
    assert row.split()[:3] == ["stop-web", "web", "stop"]


@pytest.mark.parametrize("word", ["vm", "vms", "virtualmachine", "virtualmachines", "virtualmachines.hypersdk.io"])
def test_machines_answer_to_every_name(kubectl: Kubectl, word: str) -> None:
    kubectl.apply(virtual_machine("web"))
    assert kubectl("get", word, "-o", "name") == "virtualmachine.hypersdk.io/web\n"


SHORT_NAMES = {
    "vmop": "VMOperation",
    "vmt": "VMTemplate",
    "vmsnap": "VMSnapshot",
    "bs": "BackupSchedule",
    "bj": "BackupJob",
    "rj": "RestoreJob",
    "vmnode": "VMNode",
}


@pytest.mark.parametrize(("word", "kind"), SHORT_NAMES.items())
def test_short_names_are_known(kubectl: Kubectl, word: str, kind: str) -> None:
    assert kubectl("explain", word).splitlines()[1].split() == ["KIND:", kind]
    # Of none: nodes have no namespace, and other tests have some.
    assert kubectl("get", word, "-o", "name", "--field-selector", "metadata.name=none-such") == ""


def test_yaml_and_json_say_the_same(kubectl: Kubectl) -> None:
    kubectl.apply(virtual_machine("web"))
    from_yaml = yaml.safe_load(kubectl("get", "vm", "web", "-o", "yaml"))
    assert from_yaml == kubectl.json("get", "vm", "web")
    assert from_yaml["kind"] == "VirtualMachine"
    assert from_yaml["spec"]["running"] is True


def test_list_as_json_is_a_list(kubectl: Kubectl) -> None:
    kubectl.apply(virtual_machine("a"))
    kubectl.apply(virtual_machine("b"))
    listed = kubectl.json("get", "vm")
    assert listed["kind"] == "List"
    assert [at(listed, "items", i, "metadata", "name") for i in range(2)] == ["a", "b"]


def test_jsonpath_reads_a_field(kubectl: Kubectl) -> None:
    kubectl.apply(virtual_machine("web"))
    _observed(kubectl, "web", vnc={"enabled": True, "port": 5900})
    assert json.loads(kubectl("get", "vm", "web", "-o", "jsonpath={.status.vnc}")) == {"enabled": True, "port": 5900}


def test_describe_shows_spec_status_and_events(kubectl: Kubectl) -> None:
    kubectl.apply(virtual_machine("web", memory="1Gi"))
    _observed(kubectl, "web", phase="Running")
    uid = at(kubectl.json("get", "vm", "web"), "metadata", "uid")
    kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": "web.1"},
            "involvedObject": {
                "apiVersion": "hypersdk.io/v1alpha1",
                "kind": "VirtualMachine",
                "name": "web",
                "namespace": kubectl.namespace,
                "uid": uid,
            },
            "reason": "Started",
            "message": "powered on",
            "type": "Normal",
            "count": 1,
            "firstTimestamp": "2026-01-01T00:00:00Z",
            "lastTimestamp": "2026-01-01T00:00:00Z",
        }
    )
    text = kubectl("describe", "vm", "web")
    assert [line.split() for line in text.splitlines() if "Memory:" in line] == [["Memory:", "1Gi"]]
    assert ["Phase:", "Running"] in [line.split() for line in text.splitlines()]
    assert ["Normal", "Started"] in [line.split()[:2] for line in text.splitlines()]
    assert "powered on" in text


def test_explain_knows_the_fields(kubectl: Kubectl) -> None:
    text = kubectl("explain", "vm.spec.disks")
    assert "bootOrder" in text
    assert "-required-" in text


def test_label_selectors_narrow_the_list(kubectl: Kubectl) -> None:
    for name, tier in (("a", "front"), ("b", "back"), ("c", "back")):
        kubectl.apply(virtual_machine(name, labels={"tier": tier}))
    kubectl.apply(virtual_machine("d"))

    def names(selector: str) -> list[str]:
        return kubectl("get", "vm", "-l", selector, "--no-headers", "-o", "custom-columns=N:.metadata.name").split()

    assert names("tier=back") == ["b", "c"]
    assert names("tier!=back") == ["a", "d"]
    assert names("tier in (front,other)") == ["a"]
    assert names("tier notin (back)") == ["a", "d"]
    assert names("tier") == ["a", "b", "c"]
    assert names("!tier") == ["d"]
    assert names("tier=back,tier!=front") == ["b", "c"]


def test_field_selectors_narrow_the_list(kubectl: Kubectl) -> None:
    for name, phase, node in (("a", "Running", "n1"), ("b", "Stopped", "n1"), ("c", "Running", "n2")):
        kubectl.apply(virtual_machine(name))
        _observed(kubectl, name, phase=phase, nodeName=node)
    kubectl.apply(virtual_machine("d"))

    def names(selector: str) -> list[str]:
        text = kubectl(
            "get", "vm", "--field-selector", selector, "--no-headers", "-o", "custom-columns=N:.metadata.name"
        )
        return text.split()

    assert names("metadata.name=b") == ["b"]
    assert names("status.nodeName=n1") == ["a", "b"]
    assert names("status.phase=Running,status.nodeName=n2") == ["c"]
    assert names("status.phase!=Running") == ["b", "d"]
    assert names("status.nodeName=") == ["d"]
    assert names(f"metadata.namespace={kubectl.namespace}") == ["a", "b", "c", "d"]


def test_a_field_that_cannot_be_selected_by_is_refused(kubectl: Kubectl) -> None:
    with pytest.raises(Refused, match=r"spec\.cpus"):
        kubectl("get", "vm", "--field-selector", "spec.cpus=1")


def test_watching_prints_a_row_for_each_change(kubectl: Kubectl) -> None:
    kubectl.apply(virtual_machine("web"))
    with kubectl.following("get", "vm", "-w") as rows:
        rows.until("web")
        _observed(kubectl, "web", phase="Creating")
        rows.until("Creating")
        _observed(kubectl, "web", phase="Running")
        assert rows.until("Running").split()[0] == "web"
        kubectl.apply(virtual_machine("other"))
        rows.until("other")


def test_watching_tells_what_happened(kubectl: Kubectl) -> None:
    kubectl.apply(virtual_machine("web"))
    with kubectl.following("get", "vm", "-w", "--output-watch-events") as rows:
        assert rows.until("web").split()[0] == "ADDED"
        kubectl("label", "vm", "web", "seen=yes")
        assert rows.until("web").split()[0] == "MODIFIED"
        kubectl("delete", "vm", "web")
        assert rows.until("web").split()[0] == "DELETED"


def test_waiting_for_a_status_ends_when_it_comes(kubectl: Kubectl) -> None:
    kubectl.apply(virtual_machine("web"))
    with kubectl.following("wait", "vm/web", "--for=jsonpath={.status.phase}=Running", "--timeout=30s") as lines:
        _observed(kubectl, "web", phase="Running")
        assert lines.until("condition met")


def test_waiting_for_a_condition_and_for_the_end(kubectl: Kubectl) -> None:
    kubectl.apply(virtual_machine("web"))
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-23T10:00:00Z"}
    with kubectl.following("wait", "vm/web", "--for=condition=Ready", "--timeout=30s") as lines:
        _observed(kubectl, "web", conditions=[ready])
        assert lines.until("condition met")
    with pytest.raises(Refused, match="timed out waiting for the condition"):
        kubectl("wait", "vm/web", "--for=delete", "--timeout=1s")
    kubectl("delete", "vm", "web", "--wait=false")
    kubectl("wait", "vm/web", "--for=delete", "--timeout=30s")


def test_a_category_and_small_pages_name_everything(kubectl: Kubectl) -> None:
    for name in ("a", "b", "c"):
        kubectl.apply(virtual_machine(name))
    kubectl.apply(operation("stop-a", "a", "stop"))
    rows = kubectl("get", "hypersdk", "--chunk-size=1", "-o", "name").split()
    machines = [f"virtualmachine.hypersdk.io/{name}" for name in ("a", "b", "c")]
    assert [row for row in rows if "vmnode" not in row] == [*machines, "vmoperation.hypersdk.io/stop-a"]


def test_what_is_not_there_is_not_found(kubectl: Kubectl) -> None:
    with pytest.raises(Refused) as refusal:
        kubectl("get", "vm", "nobody")
    assert str(refusal.value) == ('Error from server (NotFound): virtualmachines.hypersdk.io "nobody" not found\n')
