"""What a guest says of its CPUs, sense and nonsense."""

import pytest
from pydantic import JsonValue

from controller.hypervisor.guest_cpus import read_cpus


@pytest.mark.parametrize(
    ("told", "cpus"),
    [
        (
            [{"logical-id": 0, "online": True, "can-offline": False}, {"logical-id": 1, "online": False}],
            {0: True, 1: False},
        ),
        ([{"logical-id": 2}, {"online": True}, {"logical-id": "3", "online": True}, 7, None], {2: False}),
        ([{"logical-id": 0, "online": "yes"}], {0: False}),
        ({"logical-id": 0}, {}),
        (None, {}),
    ],
    ids=["a guest", "half sense", "a word for a truth", "no list", "nothing"],
)
def test_cpus_are_read_as_far_as_they_make_sense(told: JsonValue, cpus: dict[int, bool]) -> None:
    assert read_cpus(told) == cpus
