"""The filter as it is typed."""

import pytest

from tests.tui.builders import vm
from tui.filter import wanted

WEB = vm("web-1", nodeName="node-1", ipAddresses=["10.0.0.4"])
DB = vm("db-1", "Stopped", namespace="prod", nodeName="node-2", ipAddresses=["10.0.0.5"])
ODD = vm("odd", "Failed", namespace="web")


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        pytest.param("", ["web-1", "db-1", "odd"], id="nothing typed"),
        pytest.param("web", ["web-1", "odd"], id="text in name and namespace"),
        pytest.param("WEB-", ["web-1"], id="case does not matter"),
        pytest.param("10.0.0.5", ["db-1"], id="text in address"),
        pytest.param("ns:prod", ["db-1"], id="namespace"),
        pytest.param("node:node-1", ["web-1"], id="node"),
        pytest.param("status:fail", ["odd"], id="status"),
        pytest.param("!status:running", ["db-1", "odd"], id="inverse"),
        pytest.param("!web", ["db-1"], id="inverse text"),
        pytest.param("app=web", ["web-1"], id="label"),
        pytest.param("!app=web", ["db-1", "odd"], id="inverse label"),
        pytest.param("ns:prod status:running", [], id="all words must hold"),
        pytest.param("ns: !", ["web-1", "db-1", "odd"], id="unfinished words ask for nothing"),
        pytest.param("foo:bar", [], id="unknown prefix is text"),
    ],
)
def test_filter(typed: str, names: list[str]) -> None:
    asked = wanted(typed)
    assert [one.metadata.name for one in (WEB, DB, ODD) if asked(one)] == names
