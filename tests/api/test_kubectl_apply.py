"""kubectl apply: every manifest that ships or that the document shows is taken under strict validation."""

from pathlib import Path

import pytest
import yaml
from pydantic import JsonValue

from hypersdk.data import data_folder
from hypersdk.model.base import JsonObject
from tests.api.builders import at, operation, virtual_machine
from tests.controlplane.kubectl import Kubectl, Refused

SEED = Path(__file__).parent / "seed"
UPSTREAM = Path(__file__).parent / "upstream.yaml"
EXAMPLES = data_folder("deploy") / "examples"
CRDS = data_folder("deploy") / "crds"


def _ids(paths: list[Path]) -> list[str]:
    return [path.stem for path in paths]


SEED_OBJECTS = sorted(SEED.glob("*.yaml"))
SEED_SPECS = sorted(SEED.glob("fragments/spec-*.yaml"))
EXAMPLE_FILES = sorted(EXAMPLES.glob("*.yaml"))
CRD_FILES = sorted(CRDS.glob("*.yaml"))


@pytest.mark.parametrize("path", CRD_FILES, ids=_ids(CRD_FILES))
def test_crds_are_there_and_apply_again(kubectl: Kubectl, path: Path) -> None:
    said = kubectl("apply", "--validate=strict", "-f", path)
    assert said.startswith("customresourcedefinition.apiextensions.k8s.io/")
    kubectl("wait", "--for=condition=Established", "--timeout=10s", "-f", path)


@pytest.mark.parametrize("path", EXAMPLE_FILES, ids=_ids(EXAMPLE_FILES))
def test_examples_apply_and_delete(kubectl: Kubectl, path: Path) -> None:
    in_default = kubectl.within("default")
    said = in_default("apply", "--validate=strict", "-f", path)
    assert said.splitlines(), "nothing was applied"
    assert all(line.endswith(" created") for line in said.splitlines())
    assert len(in_default("delete", "-f", path).splitlines()) == len(said.splitlines())


@pytest.mark.parametrize("path", SEED_OBJECTS, ids=_ids(SEED_OBJECTS))
def test_objects_of_the_document_apply(kubectl: Kubectl, path: Path) -> None:
    manifest = yaml.safe_load(path.read_text())
    manifest["metadata"].pop("namespace", None)
    assert kubectl.apply(manifest).endswith(" created\n")
    stored = (manifest["kind"], manifest["metadata"]["name"])
    before = kubectl.json("get", *stored)
    kubectl.apply(manifest)
    assert kubectl.json("get", *stored) == before, "the same once more changes nothing"


def test_objects_of_other_clients_are_kept_whole(kubectl: Kubectl) -> None:
    manifests = list(yaml.safe_load_all(UPSTREAM.read_text()))
    said = kubectl("apply", "--validate=strict", "-f", UPSTREAM).splitlines()
    assert len(said) == len(manifests) == len([line for line in said if line.endswith(" created")])
    stored = kubectl.json("get", "-f", UPSTREAM)["items"]
    assert isinstance(stored, list)
    for sent, kept in zip(manifests, stored, strict=True):
        assert _contains(at(kept, "spec"), sent["spec"]), sent["metadata"]["name"]


@pytest.mark.parametrize("path", SEED_SPECS, ids=_ids(SEED_SPECS))
def test_spec_fragments_of_the_document_apply(kubectl: Kubectl, path: Path) -> None:
    fragment: JsonObject = yaml.safe_load(path.read_text())["spec"]
    plain = virtual_machine("fragment")
    kubectl.apply({**plain, "spec": {**_spec(plain), **fragment}})
    stored = kubectl.json("get", "vm", "fragment")
    for name, value in fragment.items():
        assert _contains(at(stored, "spec", name), value), name


def test_status_of_the_document_is_kept_whole(kubectl: Kubectl) -> None:
    status = yaml.safe_load((SEED / "fragments/status-phase-conditions.yaml").read_text())["status"]
    kubectl.apply(virtual_machine("seen"))
    kubectl("patch", "vm", "seen", "--subresource=status", "--type=merge", "-p", yaml.safe_dump({"status": status}))
    assert _contains(at(kubectl.json("get", "vm", "seen"), "status"), status)


def test_the_same_once_more_is_unchanged(kubectl: Kubectl) -> None:
    assert kubectl.apply(virtual_machine("web")).endswith(" created\n")
    assert kubectl.apply(virtual_machine("web")).endswith(" unchanged\n")


def test_apply_changes_only_what_the_manifest_no_longer_says(kubectl: Kubectl) -> None:
    kubectl.apply(virtual_machine("web", labels={"app": "web", "tier": "front"}, machineType="pc"))
    kubectl("label", "vm", "web", "seen=yes")
    assert kubectl.apply(virtual_machine("web", labels={"app": "web"}, cpus=2)).endswith(" configured\n")
    stored = kubectl.json("get", "vm", "web")
    assert at(stored, "spec", "cpus") == 2
    assert at(stored, "spec", "machineType") == "q35", "the default is back"
    assert at(stored, "metadata", "labels") == {"app": "web", "seen": "yes"}, "what another writer set stays"


def test_apply_on_the_server_keeps_what_others_own(kubectl: Kubectl) -> None:
    mine = ("--server-side", "--field-manager=mine")
    kubectl.apply(virtual_machine("web", labels={"app": "web"}, machineType="pc"), *mine)
    kubectl.apply(virtual_machine("web", labels={"tier": "front"}), "--server-side", "--field-manager=theirs")
    kubectl.apply(virtual_machine("web"), *mine)
    stored = kubectl.json("get", "vm", "web")
    assert at(stored, "metadata", "labels") == {"tier": "front"}, "mine no longer says app, theirs still says tier"
    assert at(stored, "spec", "machineType") == "q35", "nobody says it any more"


def test_apply_on_the_server_asks_before_it_takes_over(kubectl: Kubectl) -> None:
    kubectl.apply(virtual_machine("web"), "--server-side", "--field-manager=mine")
    with pytest.raises(Refused, match=r'conflict with "mine": \.spec\.cpus'):
        kubectl.apply(virtual_machine("web", cpus=2), "--server-side", "--field-manager=theirs")
    kubectl.apply(virtual_machine("web", cpus=2), "--server-side", "--field-manager=theirs", "--force-conflicts")
    assert at(kubectl.json("get", "vm", "web"), "spec", "cpus") == 2


def test_apply_on_the_server_takes_over_what_was_applied_by_the_client(kubectl: Kubectl) -> None:
    kubectl.apply(virtual_machine("web", cpus=2, memory="1Gi"))
    assert "serverside-applied" in kubectl.apply(virtual_machine("web", cpus=3, memory="1Gi"), "--server-side")
    kubectl.apply(virtual_machine("db", cpus=2))
    kubectl("patch", "vm", "db", "--type=merge", "-p", '{"spec":{"cpus":4}}')
    with pytest.raises(Refused, match=r'conflict with "kubectl-patch" using hypersdk\.io/v1alpha1: \.spec\.cpus'):
        kubectl.apply(virtual_machine("db", cpus=3), "--server-side")


@pytest.mark.parametrize("where", [(), ("--server-side", "--field-manager=mine")], ids=["client", "server"])
def test_diff_shows_what_an_apply_would_change(kubectl: Kubectl, where: tuple[str, ...]) -> None:
    kubectl.apply(virtual_machine("web"), *where)
    assert kubectl.diff(virtual_machine("web"), *where) == ""
    lines = kubectl.diff(virtual_machine("web", cpus=2), *where).splitlines()
    assert {line.strip() for line in lines if "cpus" in line and line[0] in "+-"} >= {"-  cpus: 1", "+  cpus: 2"}
    assert at(kubectl.json("get", "vm", "web"), "spec", "cpus") == 1


REFUSED: dict[str, tuple[JsonObject, str]] = {
    "too few cpus": (virtual_machine("bad", cpus=0), "spec.cpus"),
    "too many cpus": (virtual_machine("bad", cpus=129), "spec.cpus"),
    "cpus in words": (virtual_machine("bad", cpus="two"), "spec.cpus"),
    "memory in decimal units": (virtual_machine("bad", memory="8G"), "spec.memory"),
    "memory with a fraction": (virtual_machine("bad", memory="1.5Gi"), "spec.memory"),
    "memory with a line break": (virtual_machine("bad", memory="8Gi\n"), "spec.memory"),
    "memory as a number": (virtual_machine("bad", memory=8192), "spec.memory"),
    "no memory": (virtual_machine("bad", memory=None), "spec.memory"),
    "unknown field": (virtual_machine("bad", cpu=1), 'unknown field "spec.cpu"'),
    "unknown field in a list": (
        virtual_machine("bad", disks=[{"name": "root", "size": "1Gi", "sise": "1Gi"}]),
        'unknown field "spec.disks[0].sise"',
    ),
    "unknown machine type": (virtual_machine("bad", machineType="i440"), "spec.machineType"),
    "disk without a size": (virtual_machine("bad", disks=[{"name": "root"}]), "spec.disks[0].size"),
    "no such MAC": (
        virtual_machine("bad", networks=[{"name": "default", "macAddress": "52:54:00:zz:00:01"}]),
        "spec.networks[0].macAddress",
    ),
    "unknown operation": (operation("bad", "web", "explode"), "spec.operation"),
    "operation on nothing": (
        {**operation("bad", "web", "start"), "spec": {"operation": "start"}},
        "spec.vmRef",
    ),
    "no such duration": (operation("bad", "web", "stop", timeout="1h30m"), "spec.timeout"),
    "name in capitals": (virtual_machine("Bad"), "metadata.name"),
}


@pytest.mark.parametrize(("manifest", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_wrong_objects_are_refused_with_the_field(kubectl: Kubectl, manifest: JsonObject, words: str) -> None:
    with pytest.raises(Refused) as refusal:
        kubectl.apply(manifest)
    assert words in str(refusal.value)
    assert kubectl("get", "vm,vmop", "-o", "name") == ""


def test_a_wrong_change_is_refused_and_nothing_changes(kubectl: Kubectl) -> None:
    kubectl.apply(virtual_machine("web"))
    before = kubectl.json("get", "vm", "web")
    with pytest.raises(Refused, match=r"spec\.cpus"):
        kubectl("patch", "vm", "web", "--type=merge", "-p", '{"spec":{"cpus":0}}')
    assert kubectl.json("get", "vm", "web") == before


def test_dry_run_on_the_server_stores_nothing(kubectl: Kubectl) -> None:
    assert "created (server dry run)" in kubectl.apply(virtual_machine("web"), "--dry-run=server")
    assert kubectl("get", "vm", "-o", "name") == ""


def _spec(manifest: JsonObject) -> JsonObject:
    spec = manifest["spec"]
    assert isinstance(spec, dict)
    return spec


def _contains(there: JsonValue, wanted: JsonValue) -> bool:
    """Whether everything that is wanted is there; defaults may stand beside it."""
    match wanted:
        case dict():
            return isinstance(there, dict) and all(_contains(there.get(name), value) for name, value in wanted.items())
        case list():
            same_length = isinstance(there, list) and len(there) == len(wanted)
            return same_length and all(_contains(at(there, i), value) for i, value in enumerate(wanted))
        case _:
            return there == wanted
