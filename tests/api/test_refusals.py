"""Nonsense is refused, by both servers alike, with a message that names the field and says what to write."""

import uuid
from collections.abc import AsyncIterator

import pytest

from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import BACKUP_SCHEDULES, VIRTUAL_MACHINES, VM_OPERATIONS
from tests.api.builders import at, of_kind
from tests.api.http import Answer, Http, http
from tests.api.wrong import CLONE, WRONG, Wrong
from tests.controlplane.api import Api

PLACE = "default"
STRICT = {"fieldValidation": "Strict"}
MERGE = "application/merge-patch+json"


@pytest.fixture
async def request_(any_api: Api) -> AsyncIterator[Http]:
    async with http(any_api) as request:
        yield request


async def _refused(request: Http, wrong: Wrong) -> Answer:
    """What the server says to it."""
    name = f"w-{uuid.uuid4().hex[:8]}"
    path = wrong.kind.path(PLACE)
    if wrong.before is None:
        obj = of_kind(wrong.kind.kind, name, None, wrong.spec)
        return await request("POST", path, body=obj if wrong.spec else _without_spec(obj))
    made = await request("POST", path, body=of_kind(wrong.kind.kind, name, None, wrong.before), query=STRICT)
    assert made.code == 201, made.body
    try:
        return await request("PATCH", f"{path}/{name}", body={"spec": wrong.spec}, Content_Type=MERGE)
    finally:
        await request("DELETE", f"{path}/{name}")


def _without_spec(obj: JsonObject) -> JsonObject:
    return {name: value for name, value in obj.items() if name != "spec"}


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.id)
async def test_nonsense_is_refused_with_words_that_help(request_: Http, wrong: Wrong) -> None:
    answer = await _refused(request_, wrong)
    assert (answer.code, answer.at("reason")) == (422, "Invalid"), answer.body
    causes = answer.at("details", "causes")
    assert isinstance(causes, list)
    blamed = [str(at(cause, "message")) for cause in causes if at(cause, "field") == wrong.field]
    assert any(wrong.says in message for message in blamed), answer.at("message")


def test_the_table_is_long_enough_and_says_each_thing_once() -> None:
    assert len(WRONG) >= 100
    assert len({(wrong.field, str(wrong.spec), str(wrong.before)) for wrong in WRONG}) == len(WRONG)


GOOD_SCHEDULES = [
    *("0 2 * * *", "*/15 * * * *", "0,30 8-18 * * mon-fri", "0 0 1,15 * *", "0 0 1-7/2 JAN,Jul sun", "5/10 * * * *"),
    *("59 23 31 12 7", "00 02 * * 0", "0  2 * * *", "@daily", "@hourly", "*/5 0-6,18-23/2 * 1-6 1-5"),
]


@pytest.mark.parametrize("schedule", GOOD_SCHEDULES)
async def test_a_schedule_may_use_all_of_crons_grammar(request_: Http, schedule: str) -> None:
    spec: JsonObject = {"schedule": schedule, "vmSelector": {}, "destination": {"type": "local"}}
    body = of_kind("BackupSchedule", "cron", None, spec)
    answer = await request_("POST", BACKUP_SCHEDULES.path(PLACE), body=body, query={**STRICT, "dryRun": "All"})
    assert answer.code == 201, answer.at("message")


GOOD_MACHINES: dict[str, JsonObject] = {
    "secure boot": {"firmware": {"bootloader": "uefi", "secureBoot": True}},
    "multus": {"networks": [{"name": "a", "type": "multus", "multusNetworkName": "br"}, {"name": "b"}]},
    "no disk": {"disks": []},
    "an image by template": {"image": {"templateRef": {"name": "t"}}},
}


@pytest.mark.parametrize("spec", GOOD_MACHINES.values(), ids=GOOD_MACHINES.keys())
async def test_what_the_rules_ask_for_is_taken(request_: Http, spec: JsonObject) -> None:
    body = of_kind("VirtualMachine", "good", None, {"cpus": 1, "memory": "1Gi", **spec})
    answer = await request_("POST", VIRTUAL_MACHINES.path(PLACE), body=body, query={**STRICT, "dryRun": "All"})
    assert answer.code == 201, answer.at("message")


DISKS: JsonObject = {"spec": {"disks": [{"name": "root", "size": "2048Mi"}, {"name": "data", "size": "1Gi"}]}}


async def test_a_disk_may_grow_leave_or_be_said_in_another_unit(request_: Http, namespace: str) -> None:
    path = VIRTUAL_MACHINES.path(namespace)
    spec: JsonObject = {"cpus": 1, "memory": "1Gi", "disks": [{"name": "root", "size": "2Gi"}]}
    await request_("POST", path, body=of_kind("VirtualMachine", "web", None, spec))
    for patch in (DISKS, {"spec": {"disks": [{"name": "root", "size": "3Gi"}]}}, {"spec": {"disks": None}}):
        answer = await request_("PATCH", f"{path}/web", body=patch, Content_Type=MERGE)
        assert answer.code == 200, answer.at("message")


async def test_an_operation_may_still_be_labelled(request_: Http, namespace: str) -> None:
    path = VM_OPERATIONS.path(namespace)
    await request_("POST", path, body=of_kind("VMOperation", "copy", None, CLONE))
    patch: JsonObject = {"metadata": {"labels": {"a": "b"}}, "spec": CLONE}
    answer = await request_("PATCH", f"{path}/copy", body=patch, Content_Type=MERGE)
    assert (answer.code, answer.at("metadata", "generation")) == (200, 1)
