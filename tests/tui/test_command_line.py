"""What a line after `:` asks for, and what is suggested while it is typed."""

import pytest

from tui.command_line import (
    Ask,
    Help,
    Nothing,
    Open,
    Order,
    Quit,
    Show,
    ToContext,
    ToNamespace,
    Unknown,
    completions,
    order,
)

VMS = ("db-1", "web-1", "web-2")


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        pytest.param("", Nothing(), id="nothing"),
        pytest.param("  ", Nothing(), id="blanks"),
        pytest.param("q", Quit(), id="quit"),
        pytest.param("q!", Quit(), id="quit as in vi"),
        pytest.param("vm", Show("vms"), id="VMs"),
        pytest.param("vms /status:failed", Show("vms", "status:failed"), id="VMs with a filter"),
        pytest.param("node", Show("nodes"), id="nodes"),
        pytest.param("op", Show("operations"), id="operations"),
        pytest.param("events", Show("events"), id="events"),
        pytest.param("backup", Show("backups"), id="backups"),
        pytest.param("ns", ToNamespace(None), id="choose a namespace"),
        pytest.param("ns prod", ToNamespace("prod"), id="a namespace"),
        pytest.param("ns all", ToNamespace(""), id="all namespaces"),
        pytest.param("ctx", ToContext(None), id="choose a context"),
        pytest.param("ctx prod", ToContext("prod"), id="a context"),
        pytest.param("help", Help(), id="help"),
        pytest.param("start", Ask("vm.start", ()), id="verb on the targets"),
        pytest.param("stop web-1 web-2", Ask("vm.stop", ("web-1", "web-2")), id="verb on named VMs"),
        pytest.param("console web-1", Open("web-1", "console"), id="console of a VM"),
        pytest.param("web-2", Open("web-2"), id="jump to a VM"),
    ],
)
def test_line_asks_for(typed: str, asked: Order) -> None:
    assert order(typed, VMS) == asked


def test_unknown_word_says_what_there_is() -> None:
    asked = order("fly", VMS)
    assert isinstance(asked, Unknown)
    assert "'fly'" in asked.words
    assert "ns, ctx" in asked.words


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        pytest.param("no", "node", id="a list"),
        pytest.param("web", "web-1", id="a VM"),
        pytest.param("ns pr", "ns prod", id="a namespace"),
        pytest.param("ctx k", "ctx kind", id="a context"),
        pytest.param("start web-1 d", "start web-1 db-1", id="the second of two VMs"),
        pytest.param("zzz", None, id="nothing fits"),
    ],
)
def test_likeliest_line_comes_first(typed: str, first: str | None) -> None:
    assert next(iter(completions(typed, VMS, ["prod"], ["kind"])), None) == first
