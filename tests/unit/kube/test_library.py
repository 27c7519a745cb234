"""That connecting loads a client and no models."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hypersdk.kube.library import load

VERSION = "client.authentication.k8s.io/v1"
CREDENTIAL = json.dumps({"apiVersion": VERSION, "kind": "ExecCredential", "status": {"token": "from-a-plugin"}})
PLUGIN = {"apiVersion": VERSION, "command": "echo", "args": [CREDENTIAL]}
KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "here",
    "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "u", "user": {"exec": PLUGIN}}],
    "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
}
MOST = 30
CONNECT = """
import asyncio, sys
from hypersdk.kube.endpoint import Endpoint, connect

async def main():
    connection = await connect(Endpoint(sys.argv[1]))
    print(connection._api.configuration.api_key)
    await connection.close()

asyncio.run(main())
parts = [name for name in sys.modules if name.startswith("kubernetes_asyncio")]
print(len(parts), [name for name in parts if ".models." in name or ".api." in name])
"""


def test_connecting_with_a_credential_plugin_loads_no_models(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(KUBECONFIG))
    done = subprocess.run([sys.executable, "-c", CONNECT, str(kubeconfig)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    key, loaded = done.stdout.splitlines()
    assert key == "{'BearerToken': 'Bearer from-a-plugin'}"
    count, _, models = loaded.partition(" ")
    assert (int(count) <= MOST, models) == (True, "[]")


@pytest.mark.parametrize("name", ["ApiClient", "Configuration"])
def test_loading_twice_leaves_the_first_in_place(name: str) -> None:
    load()
    client = sys.modules["kubernetes_asyncio.client"]
    first = getattr(client, name)
    load()
    assert getattr(sys.modules["kubernetes_asyncio.client"], name) is first
