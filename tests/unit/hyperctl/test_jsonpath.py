"""kubectl's JSONPath: what templates print, and where a wrong one is wrong."""

import pytest

from hyperctl.k8s.grammar import parse
from hyperctl.k8s.jsonpath import template
from hyperctl.k8s.jsonpath_values import render
from hypersdk.errors import UsageError
from hypersdk.model.base import JsonObject

WEB: JsonObject = {
    "metadata": {"name": "web", "labels": {"app.io/tier": "front"}},
    "spec": {"cpus": 2, "running": True},
    "status": {
        "phase": "Running",
        "ipAddresses": ["10.0.0.5", "10.0.0.6"],
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "Live", "status": "False", "age": 7}],
        "none": None,
    },
}
DB: JsonObject = {"metadata": {"name": "db"}, "spec": {"cpus": 4}, "status": {"phase": "Stopped"}}
LIST: JsonObject = {"kind": "List", "items": [WEB, DB]}


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("{.metadata.name}", "web"),
        (".metadata.name", "web"),
        ("{$.metadata.name}", "web"),
        ("{@.metadata.name}", "web"),
        ("{.metadata['name']}", "web"),
        (r"{.metadata.labels['app.io/tier']}", "front"),
        ("name={.metadata.name}!", "name=web!"),
        (r'{.metadata.name}{"\t"}{.spec.cpus}{"\n"}', "web\t2\n"),
        ("{.spec.running}", "true"),
        ("{.spec}", '{"cpus":2,"running":true}'),
        ("{.status.ipAddresses[0]}", "10.0.0.5"),
        ("{.status.ipAddresses[-1]}", "10.0.0.6"),
        ("{.status.ipAddresses[7]}", ""),
        ("{.status.ipAddresses[*]}", "10.0.0.5 10.0.0.6"),
        ("{.status.ipAddresses[0,1]}", "10.0.0.5 10.0.0.6"),
        ("{.status.ipAddresses[1:]}", "10.0.0.6"),
        ("{.status.ipAddresses[0:2:2]}", "10.0.0.5"),
        ("{.metadata['name','labels']}", 'web {"app.io/tier":"front"}'),
        ("{.spec.*}", "2 true"),
        ('{.status.conditions[?(@.type=="Ready")].status}', "True"),
        ("{.status.conditions[?(@.type!='Ready')].type}", "Live"),
        ("{.status.conditions[?(@.age)].type}", "Live"),
        ("{.status.conditions[?(@.age>6)].type}", "Live"),
        ("{.status.conditions[?( @.age <= 6.5 )].type}", ""),
        ("{range .status.conditions[*]}{.type}={.status};{end}", "Ready=True;Live=False;"),
        ("{range .status.conditions[*]}[{range .x[*]}{end}{$.metadata.name}]{end}", "[web][web]"),
        ("{.missing.field}", ""),
        ("{.status.none}", ""),
        ("", ""),
        ("just words", "just words"),
    ],
)
def test_what_a_template_prints(text: str, printed: str) -> None:
    assert render(template(text), WEB) == printed


def test_range_over_a_list_prints_a_line_for_each() -> None:
    text = r'{range .items[*]}{.metadata.name}{"\t"}{.status.phase}{"\n"}{end}'
    assert render(template(text), LIST) == "web\tRunning\ndb\tStopped\n"


def test_two_dots_find_a_name_at_any_depth() -> None:
    assert render(template("{..cpus}"), LIST) == "2 4"
    assert render(template("{..name}"), LIST) == "web db"


def test_dots_in_names_are_escaped() -> None:
    assert render(template(r"{.a\.b}"), {"a.b": 1}) == "1"


def test_strings_of_the_object_can_be_cleaned_and_the_templates_own_are_left() -> None:
    assert render(template('{"\\n"}{.a}'), {"a": "x"}, lambda text: text.upper()) == "\nX"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("{.metadata.name", "} is missing at character 16"),
        ("{range .items[*]}{.a}", "{end} is missing at character 22"),
        ("{.a}{end}", "{end} without {range}"),
        ("{.items[x]}", "at character 9"),
        ("{.items[0}", "] is missing at character 10"),
        ("{.a[?(@.b=='c']}", ") is missing at character 15"),
        ("{'abc}", "quote that nothing closes at character 2"),
        ("{name}", "a path such as .metadata.name is missing at character 2"),
        ("{.a[0:1:0]}", "a step of 0"),
        (".items[", "at character 8"),
    ],
)
def test_wrong_templates_name_the_place(text: str, place: str) -> None:
    with pytest.raises(UsageError) as refused:
        template(text)
    assert place in str(refused.value)


def test_wrong_template_on_the_command_line_is_wrong_usage() -> None:
    assert parse(["vm", "list", "-o", "jsonpath={.items[*].metadata.name}"]).output.startswith("jsonpath=")
    with pytest.raises(UsageError, match="at character 4"):
        parse(["vm", "list", "-o", "jsonpath={.a"])
