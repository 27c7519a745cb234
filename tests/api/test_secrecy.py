"""The embedded API's token: in a file of its owner alone, and nowhere else that anybody looks."""

from pathlib import Path

import pytest

from tests.api.http import http
from tests.controlplane.embedded import EmbeddedServer


async def test_the_token_is_in_no_log_and_no_process_list(embedded_server: EmbeddedServer) -> None:
    api = embedded_server.api
    async with http(api) as request:
        assert (await request("GET", "/api/v1/namespaces")).code == 200
        assert (await request("GET", f"/api/v1/namespaces/{api.token}")).code == 404
    process = Path(f"/proc/{embedded_server.pid}")
    said = [*api.folder.glob("*.log"), process / "cmdline", process / "environ"]
    assert len(said) >= 3
    assert [str(path) for path in said if api.token in path.read_text(errors="replace")] == []


async def test_files_with_secrets_are_of_their_owner_alone(embedded_server: EmbeddedServer) -> None:
    folder = embedded_server.api.folder
    secret = [embedded_server.api.kubeconfig, *(path for path in (folder / "state").rglob("*") if path.is_file())]
    assert len(secret) > 4
    assert {oct(path.stat().st_mode & 0o077) for path in secret} == {"0o0"}


@pytest.mark.parametrize("token", ["", "wrong", "x" * 5000, "\u00e9"], ids=["none", "wrong", "long", "not ASCII"])
async def test_whoever_has_another_token_is_refused(embedded_server: EmbeddedServer, token: str) -> None:
    async with http(embedded_server.api, token) as request:
        answer = await request("GET", "/api/v1/namespaces")
        assert (answer.code, answer.at("reason")) == (401, "Unauthorized")
