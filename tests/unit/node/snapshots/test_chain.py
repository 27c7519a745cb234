"""What may be merged, removed, defined or started, by what the files stand on."""

import pytest

from controller.domain.desired import DiskFile
from controller.hypervisor.port import Hardware, PluggedDisk
from controller.node.snapshots.chain import Held, LayerFile, Merge, Tree, ancestors, parents, unneeded, verdict
from controller.node.snapshots.guard import foreign, uppermost
from hypersdk.errors import Terminal

UID = "0a0a0a0a-1111-2222-3333-444444444444"
OTHER = "0b0b0b0b-1111-2222-3333-444444444444"
BASE = f"/d/{UID}-root.qcow2"
ROOT = DiskFile("root", BASE, "qcow2")


def layer(tag: str, uid: str = UID) -> str:
    return f"/d/{uid}-root@{tag}.qcow2"


def tree(**stands: str) -> Tree:
    """`s1="base"`: that layer over that one."""
    paths = {"base": BASE} | {name: layer(f"{name[0]}-{name[1:]}") for name in stands}
    files = {BASE: LayerFile(BASE, "/images/demo.qcow2")}
    return files | {paths[name]: LayerFile(paths[name], paths.get(on, on)) for name, on in stands.items()}


S1, S2, R1 = layer("s-1"), layer("s-2"), layer("r-1")
LINE = tree(s1="base", s2="s1")
FORK = tree(s1="base", r1="base")


@pytest.mark.parametrize(
    ("frozen", "files", "tip", "others", "wanted"),
    [
        pytest.param(BASE, tree(s1="base"), S1, {}, Merge(S1, BASE, ()), id="last one"),
        pytest.param(BASE, LINE, S2, {"two": {S1}}, Merge(S1, BASE, (S2,)), id="in the middle"),
        pytest.param(S1, LINE, S2, {"one": {BASE}}, Merge(S2, S1, ()), id="uppermost"),
        pytest.param(BASE, LINE, S2, {"two": {BASE}}, None, id="another has the same file"),
        pytest.param(S1, FORK, R1, {"one": {BASE}}, None, id="nothing stands on it"),
        pytest.param(BASE, tree(), BASE, {}, None, id="merged already"),
    ],
)
def test_verdict(frozen: str, files: Tree, tip: str, others: dict[str, set[str]], wanted: Merge | None) -> None:
    points = {name: frozenset(paths) for name, paths in others.items()}
    assert verdict(frozen, files, UID, [tip], points) == wanted


def test_fork_is_held_and_says_by_whom() -> None:
    found = verdict(BASE, FORK, UID, [R1], {"two": frozenset({S1})})
    assert isinstance(found, Held)
    assert "the VM as it is and snapshot two" in found.words


@pytest.mark.parametrize("on", [BASE, S1], ids=["on the frozen file", "on the layer"])
def test_linked_clone_holds_it(on: str) -> None:
    clone = f"/d/{OTHER}-root.qcow2"
    files = {**(LINE if on == S1 else {BASE: LayerFile(BASE)}), clone: LayerFile(clone, on)}
    found = verdict(BASE, files, UID, [S2], {})
    assert isinstance(found, Held)
    assert OTHER in found.words


def test_layers_of_no_use_are_those_that_nobody_stands_on() -> None:
    files = tree(s1="base", s2="s1", r1="base")
    assert unneeded(files, UID, [R1], {"one": frozenset({BASE})}) == [S1, S2]
    assert unneeded(files, UID, [R1], {"two": frozenset({S1})}) == [S2]
    clone = f"/d/{OTHER}-root.qcow2"
    assert unneeded({**files, clone: LayerFile(clone, S2)}, UID, [R1], {}) == []
    strange = layer("c-1")
    assert unneeded({**files, strange: LayerFile(strange, S1)}, UID, [R1], {}) == [S2]


def test_parents_follow_the_files() -> None:
    points = {"one": frozenset({BASE}), "two": frozenset({S1}), "three": frozenset({R1})}
    parent = parents(points, tree(s1="base", s2="s1", r1="base"))
    assert parent == {"one": "", "two": "one", "three": "one"}
    assert ancestors("two", parent) == ["one", "two"]


def plugged(tip: str) -> PluggedDisk:
    return PluggedDisk(BASE, "vda", name="root", layer="" if tip == BASE else tip)


@pytest.mark.parametrize(
    ("files", "there", "frozen", "wanted"),
    [
        pytest.param({}, None, set(), BASE, id="nothing is made yet"),
        pytest.param(tree(), plugged(BASE), set(), BASE, id="no layer"),
        pytest.param(LINE, plugged(S2), {BASE, S1}, S2, id="as it is defined"),
        pytest.param(LINE, None, {BASE, S1}, S2, id="undefined, the only leaf"),
        pytest.param(
            tree(s1="base", s2="s1", r1="base"), None, {S1, S2, BASE}, R1, id="undefined, the only unfrozen leaf"
        ),
    ],
)
def test_uppermost(files: Tree, there: PluggedDisk | None, frozen: set[str], wanted: str) -> None:
    assert uppermost(ROOT, there, files, frozenset(frozen)) == wanted


@pytest.mark.parametrize(
    ("files", "there", "reason", "named"),
    [
        pytest.param(FORK, None, "UncertainLayer", S1, id="two leaves"),
        pytest.param(LINE, plugged(BASE), "UncertainLayer", S1, id="defined over its base"),
        pytest.param(tree(s2="base"), plugged(S1), "LayerMissing", S1, id="the tip is gone"),
        pytest.param({S2: LayerFile(S2, S1), BASE: LayerFile(BASE)}, plugged(S2), "LayerMissing", S1, id="a hole"),
        pytest.param(tree(s1="/tmp/x.qcow2"), plugged(S1), "BrokenChain", "/tmp/x.qcow2", id="mixed"),
        pytest.param({S1: LayerFile(S1, BASE)}, plugged(S1), "LayerMissing", BASE, id="no base"),
    ],
)
def test_what_is_not_certain_is_refused_and_named(
    files: Tree, there: PluggedDisk | None, reason: str, named: str
) -> None:
    with pytest.raises(Terminal, match=named) as raised:
        uppermost(ROOT, there, files, frozenset())
    assert raised.value.reason == reason


@pytest.mark.parametrize(
    ("path", "is_foreign"),
    [(BASE, False), (f"/d/{UID}-root.snap1", True), ("/elsewhere/x.qcow2", True), (f"/fast/{UID}-root.qcow2", False)],
)
def test_layers_of_virsh_are_foreign(path: str, is_foreign: bool) -> None:
    found = foreign([ROOT], Hardware(disks=(PluggedDisk(path, "vda", name="root"),)))
    assert bool(found) is is_foreign
    assert (path in found) is is_foreign
