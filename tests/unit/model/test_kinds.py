"""What a name may be in the path of an object."""

import pytest

from hypersdk.errors import NotFound
from hypersdk.model.kinds import SECRETS, VIRTUAL_MACHINES


@pytest.mark.parametrize("name", [".", "..", "a/../b", "x/../../../other/secrets/y", "%2e%2e", "a?dryRun=All", "a#b"])
def test_name_that_would_lead_to_another_object_is_the_name_of_none(name: str) -> None:
    with pytest.raises(NotFound, match="cannot be a name"):
        SECRETS.path("default", name)
    with pytest.raises(NotFound, match="cannot be a name"):
        VIRTUAL_MACHINES.path(name)


def test_path_is_that_of_the_object() -> None:
    assert VIRTUAL_MACHINES.path("prod", "web.1", "status").endswith("/namespaces/prod/virtualmachines/web.1/status")
