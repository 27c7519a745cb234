"""Plain calls: what goes over the wire, and which error comes of which answer."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest
from aiohttp import web

from hypersdk import errors
from hypersdk.kube.client import Client, error_of
from hypersdk.kube.endpoint import Endpoint, connect, contexts, default_kubeconfig
from hypersdk.model.kinds import VIRTUAL_MACHINES
from tests.unit.kube.scripted import listing, machine, refusal, scripted

CODES = {
    (400, "BadRequest"): errors.Invalid,
    (401, "Unauthorized"): errors.Unauthorized,
    (403, "Forbidden"): errors.Forbidden,
    (404, "NotFound"): errors.NotFound,
    (409, "AlreadyExists"): errors.AlreadyExists,
    (409, "Conflict"): errors.Conflict,
    (410, "Expired"): errors.Gone,
    (422, "Invalid"): errors.Invalid,
    (500, "InternalError"): errors.ApiError,
}


@pytest.mark.parametrize(("answer", "error"), CODES.items(), ids=[reason for _, reason in CODES])
async def test_refusals_become_errors_with_the_servers_words(
    tmp_path: Path, answer: tuple[int, str], error: type[errors.ApiError]
) -> None:
    async with scripted(tmp_path, refusal(*answer, "because")) as (_, client):
        with pytest.raises(errors.ApiError, match="because") as refused:
            await client.get(VIRTUAL_MACHINES, "default", "web")
    assert type(refused.value) is error
    assert (refused.value.code, refused.value.reason) == answer


def test_an_answer_that_is_no_status_still_says_something() -> None:
    assert str(error_of(502, b"<h1>Bad Gateway</h1>")) == "<h1>Bad Gateway</h1>"
    assert str(error_of(502, b"")) == "HTTP 502"
    assert error_of(404, b"[]").code == 404


async def test_a_list_is_fetched_to_its_end(tmp_path: Path) -> None:
    steps = [listing(machine("a"), version="7", next_page="more"), listing(machine("b"), version="7")]
    async with scripted(tmp_path, *steps) as (script, client):
        listed = await client.list(VIRTUAL_MACHINES, "default", labels="app=web", fields="status.phase=Running")
    assert [vm.metadata.name for vm in listed] == ["a", "b"]
    selected = {"limit": "500", "labelSelector": "app=web", "fieldSelector": "status.phase=Running"}
    assert script.asked == [selected, {**selected, "continue": "more"}]


async def test_the_next_page_is_asked_for_before_this_one_is_looked_at(tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def never(request: web.Request) -> web.StreamResponse:
        asked.set()
        return await asyncio.Future()

    async with (
        scripted(tmp_path, listing(machine("a"), version="7", next_page="more"), never) as (script, client),
        aclosing(client.pages(VIRTUAL_MACHINES, "default")) as pages,
        asyncio.timeout(5),
    ):
        first = await anext(pages)
        await asked.wait()
        assert [vm.metadata.name for vm in first.items] == ["a"]
    # Left in the middle, the request that was under way ends with it.
    assert [query.get("continue") for query in script.asked] == [None, "more"]


async def test_lean_objects_have_no_record_of_managers(tmp_path: Path) -> None:
    managed = machine("a")
    managed["metadata"] = {"name": "a", "managedFields": [{"manager": "kubectl"}], "labels": {"app": "web"}}
    async with scripted(tmp_path, listing(managed, version="7")) as (_, client):
        (whole,) = await client.list(VIRTUAL_MACHINES, "default")
        async with aclosing(client.pages(VIRTUAL_MACHINES, "default", lean=True)) as pages:
            (lean,) = (await anext(pages)).items
    assert "managedFields" in whole.wire()["metadata"]  # type: ignore[operator]
    assert lean.wire()["metadata"] == {
        "name": "a",
        "uid": "",
        "resourceVersion": "",
        "generation": 0,
        "labels": {"app": "web"},
    }


async def test_an_object_that_cannot_be_read_is_invalid(tmp_path: Path) -> None:
    async def odd(request: web.Request) -> web.StreamResponse:
        return web.json_response(machine("web") | {"spec": {"cpus": "many"}})

    async with scripted(tmp_path, odd) as (_, client):
        with pytest.raises(errors.Invalid, match=r"VirtualMachine that cannot be read"):
            await client.get(VIRTUAL_MACHINES, "default", "web")


async def test_the_token_goes_along(tmp_path: Path) -> None:
    seen: list[str] = []

    async def look(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers["Authorization"])
        return web.json_response(machine("web"))

    async with scripted(tmp_path, look) as (_, client):
        await client.get(VIRTUAL_MACHINES, "default", "web")
    assert seen == ["Bearer secret"]


async def test_nobody_there_is_unreachable(tmp_path: Path) -> None:
    async with scripted(tmp_path, listing(version="1")) as (_, client):
        kubeconfig = (tmp_path / "kubeconfig").read_text()
        host = client.connection.host
    (tmp_path / "kubeconfig").write_text(kubeconfig)
    late = Client(await connect(Endpoint(str(tmp_path / "kubeconfig"))))
    with pytest.raises(errors.Unreachable, match=host):
        await late.list(VIRTUAL_MACHINES)
    await late.close()


def test_a_kubeconfig_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigError, match="hyperctl up"):
        contexts(Endpoint(str(tmp_path / "nowhere")))


async def test_a_context_that_is_not_there_is_named(tmp_path: Path) -> None:
    async with scripted(tmp_path, listing(version="1")):
        with pytest.raises(errors.ConfigError, match="no context 'other'"):
            await connect(Endpoint(str(tmp_path / "kubeconfig"), "other"))


def test_the_environments_kubeconfig_comes_first(tmp_path: Path) -> None:
    embedded = tmp_path / "kubeconfig"
    assert default_kubeconfig({"KUBECONFIG": "/mine"}, embedded) == "/mine"
    assert default_kubeconfig({}, embedded).endswith("/.kube/config")
    embedded.touch()
    assert default_kubeconfig({}, embedded) == str(embedded)
