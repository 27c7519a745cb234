"""The document's own command lines are understood, and what is misspelt is refused instead of guessed."""

import shlex

import pytest

from hyperctl.k8s.grammar import parse
from hypersdk.errors import UsageError


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "vm create -name my-vm -cpus 4 -memory 8Gi -image ubuntu:22.04",
            {"name": "my-vm", "cpus": "4", "memory": "8Gi"},
        ),
        ("vm create -from-template ubuntu-22-04 -name web-vm", {"from_template": "ubuntu-22-04", "name": "web-vm"}),
        ("vm create --name=my-vm --image=demo", {"name": "my-vm", "image": "demo"}),
        ("vm list", {"output": "table", "namespace": None}),
        ("vm list -n prod -o json", {"output": "json", "namespace": "prod"}),
        ("vm list -A -o yaml", {"output": "yaml", "all_namespaces": True}),
        ("vm get my-vm -n prod", {"vm": "my-vm", "namespace": "prod"}),
        ("vm delete my-vm", {"vm": "my-vm", "command": "delete"}),
        ("vm delete my-vm --keep-disks", {"vm": "my-vm", "keep_disks": True}),
        ("vm start my-vm", {"command": "start"}),
        ("vm pause my-vm", {"command": "pause", "vm": "my-vm"}),
        ("vm resume my-vm -n prod", {"command": "resume", "namespace": "prod"}),
        ("vm stop my-vm --force", {"command": "stop", "force": True}),
        ("vm stop --force my-vm", {"force": True, "vm": "my-vm"}),
        ("vm stop my-vm", {"force": False}),
        ("vm restart my-vm", {"command": "restart"}),
        ("vm console my-vm --vnc", {"vnc": True}),
        ("backup list -A", {"group": "backup", "command": "list", "all_namespaces": True}),
        ("backup get nightly-1", {"group": "backup", "backup": "nightly-1"}),
        (
            "backup create -vm my-vm -bucket vm-backups -secret store --incremental",
            {"vm": "my-vm", "bucket": "vm-backups", "secret": "store", "type": "s3", "incremental": True},
        ),
        ("backup create -vm my-vm -type local -format raw", {"type": "local", "bucket": "", "format": "raw"}),
        ("backup verify nightly-1", {"command": "verify", "backup": "nightly-1"}),
        ("backup delete nightly-1 --keep-data", {"command": "delete", "keep_data": True}),
        ("backup schedule list -n prod", {"group": "schedule", "command": "list", "namespace": "prod"}),
        ("backup schedule suspend nightly", {"group": "schedule", "command": "suspend", "schedule": "nightly"}),
        ("backup schedule run nightly", {"group": "schedule", "command": "run", "schedule": "nightly"}),
        ("restore delete again", {"group": "restore", "command": "delete", "restore": "again"}),
        ("restore create -from nightly-1 -vm my-vm-2 --start", {"from": "nightly-1", "vm": "my-vm-2", "start": True}),
        ("restore create -path s3://vm-backups/prod/my-vm/nightly-1 -secret store", {"secret": "store", "vm": None}),
        ("vm console my-vm --serial", {"serial": True, "vm": "my-vm"}),
        ("vm ssh my-vm -user admin -key ~/.ssh/id_rsa", {"user": "admin", "key": "~/.ssh/id_rsa"}),
        ("vm ssh my-vm -user admin -- uname -a", {"words": ["uname", "-a"]}),
        ("vm list -w -l app=web --context far", {"watch": True, "selector": "app=web", "context": "far"}),
        ("vm get my-vm -o=jsonpath={.spec.cpus}", {"output": "jsonpath={.spec.cpus}"}),
        ("vm describe my-vm", {"command": "describe", "vm": "my-vm"}),
        ("vm events", {"vm": ""}),
        ("vm events -n prod -w my-vm", {"vm": "my-vm", "watch": True, "namespace": "prod"}),
        ("vm wait my-vm --for=condition=Ready --timeout=60s", {"awaited": "condition=Ready", "timeout": "60s"}),
        ("vm wait --for delete my-vm", {"awaited": "delete", "vm": "my-vm", "timeout": "60s"}),
        ("node cordon node-1", {"group": "node", "command": "cordon", "node": "node-1"}),
        ("op list -vm my-vm -A", {"group": "op", "vm": "my-vm", "all_namespaces": True}),
        ("op cancel my-op -n prod", {"command": "cancel", "op": "my-op"}),
        ("template get ubuntu-22-04", {"group": "template", "template": "ubuntu-22-04"}),
        ("template create -name my-template -from my-vm", {"name": "my-template", "vm": "my-vm"}),
        ("vm resize my-vm -cpus 8 -memory 16Gi --hotplug", {"cpus": "8", "memory": "16Gi", "hotplug": True}),
        ("vm console my-vm --vnc --viewer --watch", {"vnc": True, "viewer": True, "watch": True, "port": ""}),
        ("vm clone my-vm -target my-vm-2 --linked", {"vm": "my-vm", "target": "my-vm-2", "linked": True}),
        ("apply -f - -f x.yaml --force-conflicts", {"filename": ["-", "x.yaml"], "force_conflicts": True}),
        ("-op vm-start -vm my-vm -namespace prod", {"command": "start", "vm": "my-vm", "namespace": "prod"}),
        ("-vm my-vm --op vm-stop --force", {"command": "stop", "vm": "my-vm", "force": True}),
    ],
)
def test_lines_of_the_document(line: str, expected: dict[str, object]) -> None:
    parsed = vars(parse(shlex.split(line)))
    assert {name: parsed[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("vm get my-vm -node x", "-node"),
        ("vm list -output xml", "xml"),
        ("vm stop", "NAME"),
        ("vm fly my-vm", "fly"),
        ("vm create -nmae x", "-nmae"),
        ("vm list --outptu json", "--outptu"),
        ("", "OBJECT"),
        ("vm wait my-vm", "-for"),
        ("apply", "-f"),
        ("vm list -- x", "takes nothing after --"),
        ("-op vm-fly -vm my-vm", "fly"),
    ],
)
def test_misspelt_lines_name_what_is_wrong(line: str, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        parse(shlex.split(line))
