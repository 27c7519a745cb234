"""`hyperctl k8s` against the embedded API: output, exit codes, and what shells and kubectl make of it."""

import io
import json
import os
import signal
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from hyperctl.main import main
from hypersdk.model.base import JsonObject
from tests.api.builders import of_kind, operation, virtual_machine
from tests.controlplane.api import Api
from tests.controlplane.kubectl import Kubectl

ROOT = Path(__file__).parents[2]
HYPERCTL = [sys.executable, "-m", "hyperctl"]


@dataclass(frozen=True)
class Said:
    """How a command line ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def judge(embedded_api: Api) -> Kubectl:
    """kubectl in a namespace that no other test uses."""
    name = f"t-{os.urandom(5).hex()}"
    embedded_api.make_namespace(name)
    return embedded_api.kubectl(name)


@pytest.fixture
def run(judge: Kubectl, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `hyperctl k8s …` in that namespace."""
    monkeypatch.setenv("KUBECONFIG", str(judge.kubeconfig))

    def said(*words: str) -> Said:
        code = main(["k8s", *words, "-n", judge.namespace])
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return said


@pytest.fixture
def web(judge: Kubectl) -> Kubectl:
    """A VM `web` that runs."""
    judge.apply(virtual_machine("web", cpus=2, labels={"app": "shop"}, disks=[{"name": "root", "size": "1Gi"}]))
    _observed(judge, "web", phase="Running", nodeName="n1", ipAddresses=["10.0.0.5"], conditions=[_ready("True")])
    return judge


def _ready(status: str) -> JsonObject:
    return {"type": "Ready", "status": status, "reason": "Checked", "message": "by a test"}


def _observed(kubectl: Kubectl, name: str, what: str = "vm", **status: object) -> None:
    kubectl("patch", what, name, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))


@pytest.mark.parametrize("words", [("vm", "list"), ("vm", "get", "web")])
def test_outputs_are_kubectls(run: Run, web: Kubectl, words: Sequence[str]) -> None:
    own = ("get", "vm", *words[2:])
    assert run(*words, "-o", "name").out == web(*own, "-o", "name")
    for form in ("{.metadata.name}{.items[*].spec.cpus}", r'{range .items[*]}{.metadata.name}{"\n"}{end}'):
        assert run(*words, "-o", f"jsonpath={form}").out == web(*own, "-o", f"jsonpath={form}")
    assert json.loads(run(*words, "-o", "json").out)["kind"] == json.loads(web(*own, "-o", "json"))["kind"]
    assert yaml.safe_load(run(*words, "-o", "yaml").out)["apiVersion"]


def test_nothing_to_list_is_talk_and_not_data(run: Run) -> None:
    assert run("vm", "list") == Said(0, "", run("vm", "list").err)
    assert run("vm", "list", "-l", "app=nothing").err.startswith("no virtual machines in namespace t-")


def test_lists_of_every_kind(run: Run, web: Kubectl) -> None:
    web.apply(operation("stop-web", "web", "stop"))
    web.apply(of_kind("VMTemplate", "ubuntu", None, {"displayName": "Ubuntu", "image": {"source": "http://x/y"}}))
    assert run("vm", "list", "-l", "app=shop").out.splitlines()[1].split()[:6] == [
        "web",
        "Running",
        "2",
        "256Mi",
        "n1",
        "10.0.0.5",
    ]
    assert run("vm", "list", "-A", "-o", "wide").out.splitlines()[0].split()[0] == "NAMESPACE"
    assert run("op", "list", "-vm", "web").out.splitlines()[1].split()[:3] == ["stop-web", "web", "stop"]
    assert run("op", "list", "-vm", "db").out == ""
    assert "Ubuntu" in run("template", "list", "-o", "wide").out
    assert run("template", "get", "ubuntu", "-o", "jsonpath={.spec.displayName}").out == "Ubuntu"


def test_other_context_of_the_kubeconfig(run: Run, web: Kubectl) -> None:
    context = yaml.safe_load(web.kubeconfig.read_text())["current-context"]
    assert run("vm", "list", "--context", context, "-o", "name").out == "virtualmachine.hypersdk.io/web\n"
    assert run("vm", "list", "--context", "moon").code == 5


def test_operations_in_the_other_grammar(run: Run, web: Kubectl) -> None:
    assert run("-op", "vm-get", "-vm", "web", "-o", "name").out == "virtualmachine.hypersdk.io/web\n"


def test_describe_is_all_on_one_page(run: Run, web: Kubectl) -> None:
    web.apply(operation("start-web", "web", "start"))
    _happened(web, "web", "Started", "it runs \x1b[2J now")
    page = run("vm", "describe", "web").out
    for words in ("Running", "2 vCPU", "10.0.0.5", "Checked", "app", "root", "start-web", "Started", "it runs"):
        assert words in page
    assert "\x1b" not in page


def test_events_of_one_and_of_all(run: Run, web: Kubectl) -> None:
    _happened(web, "web", "Started", "it runs")
    _happened(web, "db", "Failed", "it does not")
    assert [line.split()[2] for line in run("vm", "events", "web").out.splitlines()[1:]] == ["Started"]
    assert len(run("vm", "events").out.splitlines()) == 3
    assert run("vm", "events", "moon").err.startswith("no events of moon")


def _happened(kubectl: Kubectl, vm: str, reason: str, message: str) -> None:
    uid = json.loads(kubectl("get", "vm", vm, "-o", "json"))["metadata"]["uid"] if vm == "web" else "x"
    about = {"apiVersion": "hypersdk.io/v1alpha1", "kind": "VirtualMachine", "name": vm, "uid": uid}
    event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": f"{vm}.{reason.lower()}"}}
    about["namespace"] = kubectl.namespace
    rest = {"involvedObject": about, "reason": reason, "message": message, "type": "Normal"}
    kubectl("create", "-f", "-", stdin=json.dumps(event | rest | {"lastTimestamp": "2026-02-04T12:00:00Z"}))


@pytest.mark.parametrize(
    "what",
    [
        "condition=Ready",
        "condition=ready=true",
        "phase=running",
        "jsonpath={.status.nodeName}=n1",
        "jsonpath=.status.nodeName",
    ],
)
def test_wait_for_what_is_so(run: Run, web: Kubectl, what: str) -> None:
    what = what.replace("condition=ready", "condition=Ready")
    assert run("vm", "wait", "web", f"--for={what}", "--timeout=30s").out.startswith(
        "virtualmachine.hypersdk.io/web met"
    )


def test_wait_in_vain_tells_how_it_is_now(run: Run, web: Kubectl) -> None:
    said = run("vm", "wait", "web", "--for=phase=Stopped", "--timeout=1s")
    assert (said.code, said.out) == (1, "")
    assert "not within 1s: it is Running" in said.err


def test_wait_for_the_end(run: Run, web: Kubectl) -> None:
    assert "it is still there" in run("vm", "wait", "web", "--for", "delete", "--timeout", "1s").err
    web("delete", "vm", "web", "--wait=false")
    assert run("vm", "wait", "web", "--for", "delete").code == 0
    assert run("vm", "wait", "web", "--for", "phase=Running").code == 3


def test_cordon_and_uncordon(run: Run, judge: Kubectl) -> None:
    judge.apply({"apiVersion": "hypersdk.io/v1alpha1", "kind": "VMNode", "metadata": {"name": judge.namespace}})
    for word, wanted in (("cordon", "true"), ("uncordon", "false")):
        assert run("node", word, judge.namespace).out == f"vmnode.hypersdk.io/{judge.namespace} {word}ed\n"
        assert run("node", word, judge.namespace).out.endswith(f"already {word}ed\n")
        assert run("node", "get", judge.namespace, "-o", "jsonpath={.spec.unschedulable}").out == wanted
    assert judge.namespace in run("node", "list").out


def test_schedules_are_suspended_resumed_and_deleted_and_restores_deleted(run: Run, judge: Kubectl) -> None:
    store: JsonObject = {"type": "s3", "bucket": "b"}
    spec: JsonObject = {"schedule": "0 2 * * *", "vmSelector": {}, "destination": store}
    judge.apply(of_kind("BackupSchedule", "nightly", None, spec))
    for word, done in (("suspend", "suspended"), ("suspend", "suspended already"), ("resume", "resumed")):
        assert run("backup", "schedule", word, "nightly") == Said(0, f"nightly: {done}\n", "")
        suspended = judge("get", "backupschedule", "nightly", "-o", "jsonpath={.spec.suspend}")
        assert suspended.strip() == ("true" if word == "suspend" else "false")
    assert run("backup", "schedule", "delete", "nightly") == Said(
        0, "nightly: deleted, its BackupJobs go with it; what they stored stays\n", ""
    )
    assert run("backup", "schedule", "run", "nightly").code == 3
    source: JsonObject = {"type": "s3", "bucket": "b", "path": "x"}
    to: JsonObject = {"provider": "libvirt", "vmName": "new"}
    judge.apply(of_kind("RestoreJob", "again", None, {"source": source, "destination": to}))
    assert run("restore", "delete", "again") == Said(0, "again: deleted\n", "")
    assert run("restore", "delete", "again").code == 3


def test_operation_that_is_over_is_not_cancelled(run: Run, web: Kubectl) -> None:
    web.apply(operation("stop-web", "web", "stop"))
    _observed(web, "stop-web", "vmop", phase="Succeeded")
    said = run("op", "cancel", "stop-web")
    assert (said.code, said.out) == (1, "")
    assert "over already: it is Succeeded" in said.err


@pytest.mark.parametrize("name", ["Bad Name", "-", "a/b", "x" * 254])
def test_name_that_no_snapshot_can_have_is_refused_at_once(run: Run, web: Kubectl, name: str) -> None:
    said = run("vm", "snapshot", "create", "web", f"-name={name}")
    assert said.code == 4
    assert "spec.snapshotSpec.name" in said.err
    assert run("op", "list", "-vm", "web", "-o", "name").out == ""


@pytest.mark.parametrize("labels", ["a=b=c", "app in (web", "=", "a b"])
def test_labels_that_make_no_sense_are_the_caller_s_mistake(run: Run, web: Kubectl, labels: str) -> None:
    said = run("vm", "list", "-l", labels)
    assert (said.code, said.out) == (2, "")
    assert f"-l {labels}: " in said.err


@pytest.mark.parametrize("deed", ["restore", "delete"])
def test_snapshot_that_is_not_there_or_of_another_vm_is_said_at_once(run: Run, web: Kubectl, deed: str) -> None:
    web.apply(of_kind("VMSnapshot", "other-1", None, {"vmRef": {"name": "other"}}))
    missing = run("vm", "snapshot", deed, "web", "-snapshot", "nope")
    assert (missing.code, missing.out) == (3, "")
    assert "nope" in missing.err
    assert "not found" in missing.err
    foreign = run("vm", "snapshot", deed, "web", "-snapshot", "other-1")
    assert (foreign.code, foreign.out) == (2, "")
    assert "other-1 is of other, not of web" in foreign.err
    assert run("op", "list", "-o", "name").out == ""


def test_apply_takes_files_folders_lists_and_standard_input(
    run: Run, judge: Kubectl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "1.yaml").write_text(yaml.safe_dump_all([virtual_machine("a"), None, virtual_machine("b")]))
    (tmp_path / "2.json").write_text(json.dumps({"kind": "List", "apiVersion": "v1", "items": [virtual_machine("c")]}))
    assert run("apply", "-f", str(tmp_path), "--dry-run").out.count("(server dry run)") == 3
    assert judge("get", "vm", "-o", "name") == ""
    assert run("apply", "-f", str(tmp_path)).out.splitlines()[2] == "virtualmachine.hypersdk.io/c serverside-applied"
    monkeypatch.setattr("sys.stdin", io.StringIO(yaml.safe_dump(virtual_machine("a", cpus=3))))
    assert run("apply", "-f", "-").code == 0
    assert run("vm", "get", "a", "-o", "jsonpath={.spec.cpus} {.metadata.managedFields[0].manager}").out == "3 hyperctl"


def test_apply_names_the_document_that_is_refused_and_goes_on(run: Run, judge: Kubectl, tmp_path: Path) -> None:
    file = tmp_path / "vms.yaml"
    file.write_text(yaml.safe_dump_all([virtual_machine("a", cpus=999), virtual_machine("b")]))
    said = run("apply", "-f", str(file))
    assert (said.code, said.out) == (4, "virtualmachine.hypersdk.io/b serverside-applied\n")
    assert f"{file}: document 1 (VirtualMachine a): " in said.err
    file.write_text(yaml.safe_dump(of_kind("Moon", "a", None, {})))
    assert run("apply", "-f", str(file)).code == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("null\n---\n{", "document 2 is not YAML"),
        ("a: b", "document 1 has no apiVersion"),
        ("[1]", "document 1 is not an object"),
        ("apiVersion: v1\nkind: X\nmetadata: {name: ../a}", "cannot be a part of an object's address"),
        ("", "there are no objects in it"),
    ],
)
def test_apply_of_nonsense_is_wrong_usage(run: Run, tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(text)
    said = run("apply", "-f", str(file))
    assert said.code == 2
    assert words in said.err


def _environ(kubectl: Kubectl, *more: Path) -> dict[str, str]:
    path = os.pathsep.join([*map(str, more), "/usr/bin", "/bin"])
    return {"PATH": path, "HOME": str(kubectl.home), "KUBECONFIG": str(kubectl.kubeconfig), "PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize(
    ("form", "word"), [("table", "Stopped"), ("name", "/web"), ("jsonpath={.status.phase};", "Stopped;")]
)
def test_watch_prints_changes_until_interrupted(web: Kubectl, form: str, word: str) -> None:
    command = [*HYPERCTL, "k8s", "vm", "list", "-w", "-o", form, "-n", web.namespace]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_environ(web)) as running:
        assert running.stdout is not None
        first = running.stdout.read(1)
        _observed(web, "web", phase="Stopped")
        seen = first
        while seen.count(word.encode()) < (2 if form == "name" else 1):
            seen += (one := running.stdout.read(1))
            assert one, seen
        running.send_signal(signal.SIGINT)
        assert running.wait(20) == 130
        assert running.stderr is not None
        assert running.stderr.read() == b""


def test_watch_ends_quietly_when_its_reader_does(web: Kubectl) -> None:
    command = [*HYPERCTL, "k8s", "vm", "get", "web", "-w", "-n", web.namespace]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_environ(web)) as running:
        assert running.stdout is not None
        assert running.stdout.readline().startswith(b"NAME")
        assert running.stdout.readline().startswith(b"web")
        running.stdout.close()
        _observed(web, "web", phase="Stopped")
        assert running.wait(20) == 0
        assert running.stderr is not None
        assert running.stderr.read() == b""


def _program(folder: Path, name: str) -> Path:
    """The program of that name, as an installation makes it."""
    module, _, function = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"][name].partition(
        ":"
    )
    file = folder / name
    file.write_text(f"#!{sys.executable}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return file


def test_kubectl_runs_it_as_a_plug_in(web: Kubectl, tmp_path: Path) -> None:
    _program(tmp_path, "kubectl-vm")
    command = [str(web.program), "vm", "list", "-n", web.namespace, "-o", "name"]
    assert (
        subprocess.check_output(command, env=_environ(web, tmp_path), text=True) == "virtualmachine.hypersdk.io/web\n"
    )


_ASK = {
    "bash": "source <(hyperctl completion bash); COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); "
    '_hyperctl; printf "%s\\n" "${{COMPREPLY[@]}}"',
    "fish": 'hyperctl completion fish | source; complete -C "{line}"',
    "zsh": "source <(hyperctl completion zsh); compadd() {{ shift; print -l $found }}; words=({line}); "
    "CURRENT=${{#words}}; _hyperctl",
}


@pytest.mark.parametrize("shell", list(_ASK))
def test_shells_complete_names_from_the_api(web: Kubectl, tmp_path: Path, shell: str) -> None:
    _program(tmp_path, "hyperctl")
    line = f"hyperctl k8s vm stop -n {web.namespace} w"
    ask = _ASK[shell].format(line=line)
    environ = _environ(web, tmp_path) | {"HYPERCTL_COMPLETION_TIMEOUT": "50"}
    done = subprocess.run([shell, "-c", ask], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["web"], done.stderr
