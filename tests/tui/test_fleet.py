"""Order and filter kept right by touching only what changed."""

import random

from hypersdk.model.virtualmachine import VirtualMachine
from tests.tui.builders import vm
from tui.cells import Key
from tui.columns import SORTS
from tui.filter import wanted
from tui.fleet import Fleet


def _empty(known: dict[Key, VirtualMachine], sort: str = "name") -> Fleet[VirtualMachine]:
    return Fleet(known.get, SORTS, wanted, sort)


def _fleet(known: dict[Key, VirtualMachine]) -> Fleet[VirtualMachine]:
    fleet = _empty(known)
    fleet.rebuild(known.values())
    return fleet


def _known(*vms: VirtualMachine) -> dict[Key, VirtualMachine]:
    return {one.key: one for one in vms}


def test_rows_come_in_the_order_of_names() -> None:
    fleet = _fleet(_known(vm("b"), vm("a-10"), vm("a-2")))
    assert [name for _, name in fleet.order] == ["a-2", "a-10", "b"]


def test_same_column_again_turns_the_order_around() -> None:
    known = _known(vm("a"), vm("b"))
    fleet = _fleet(known)
    fleet.sort_by("name")
    fleet.rebuild(known.values())
    assert [name for _, name in fleet.order] == ["b", "a"]


def test_change_that_moves_nothing_is_no_new_order() -> None:
    known = _known(vm("a"), vm("b"))
    fleet = _fleet(known)
    known["default", "a"] = vm("a", "Stopped")
    assert not fleet.update([("default", "a")])


def test_row_that_no_longer_matches_goes() -> None:
    known = _known(vm("a"), vm("b"))
    fleet = _fleet(known)
    fleet.filter_by("status:running")
    fleet.rebuild(known.values())
    known["default", "a"] = vm("a", "Stopped")
    assert fleet.update([("default", "a")])
    assert [name for _, name in fleet.order] == ["b"]


def test_every_key_of_a_batch_is_looked_at() -> None:
    known = _known(vm("a"))
    fleet = _fleet(known)
    known |= _known(vm("b"), vm("c"))
    del known["default", "a"]
    fleet.update([("default", name) for name in "abc"])
    assert [name for _, name in fleet.order] == ["b", "c"]


def test_many_small_updates_give_what_a_rebuild_gives() -> None:
    chance, known = random.Random(7), _known(*(vm(f"vm-{n}") for n in range(50)))
    fleet = _fleet(known)
    fleet.sort_by("cpu")
    fleet.rebuild(known.values())
    for _ in range(500):
        name = f"vm-{chance.randrange(80)}"
        if chance.random() < 0.2:
            known.pop(("default", name), None)
        else:
            known["default", name] = vm(name, resources={"cpu": {"usage": f"{chance.randrange(100)}%"}})
        fleet.update([("default", name)])
    fresh = _empty(known, "cpu")
    fresh.rebuild(known.values())
    assert fleet.order == fresh.order
