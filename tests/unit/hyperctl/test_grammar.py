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
        ("vm console my-vm --serial", {"serial": True, "vm": "my-vm"}),
        ("vm ssh my-vm -user admin -key ~/.ssh/id_rsa", {"user": "admin", "key": "~/.ssh/id_rsa"}),
        ("vm ssh my-vm -user admin -- uname -a", {"words": ["uname", "-a"]}),
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
    ],
)
def test_misspelt_lines_name_what_is_wrong(line: str, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        parse(shlex.split(line))
