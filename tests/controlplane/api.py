"""What a test knows of the API server that it runs against, whichever of the two that is."""

import json
import ssl
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hypersdk.kube.endpoint import Endpoint
from tests.controlplane.build import Binaries
from tests.controlplane.kubectl import Kubectl


@dataclass(frozen=True)
class Api:
    """One running API server that serves our kinds."""

    name: str
    """`kube` or `embedded`."""
    url: str
    kubeconfig: Path
    """Signs in as an administrator."""
    token: str
    ca: Path
    folder: Path
    """Logs and state of the server."""
    binaries: Binaries

    @property
    def endpoint(self) -> Endpoint:
        """For our own client."""
        return Endpoint(str(self.kubeconfig))

    def kubectl(self, namespace: str = "", context: str = "") -> Kubectl:
        """The judge: kubectl of the newest version that we test with."""
        return Kubectl(self.binaries.kubectl, self.kubeconfig, self.folder, namespace, context)

    def make_namespace(self, name: str) -> None:
        """Create a namespace; every test does, so it takes no kubectl."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        body = json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}).encode()
        request = urllib.request.Request(f"{self.url}/api/v1/namespaces", body, headers)
        trust = ssl.create_default_context(cafile=str(self.ca))
        with urllib.request.urlopen(request, timeout=20, context=trust) as answer:
            answer.read()


@dataclass(frozen=True)
class RealApi(Api):
    """A real kube-apiserver; the context `plain` of its kubeconfig is a user whom RBAC grants nothing."""

    plain_token: str
    front_proxy_ca: Path
    """Signs the certificate that the API server shows to an aggregated API."""
    front_proxy_name: str
    """The common name in that certificate."""


class Server(Protocol):
    """A server that can be taken down and brought back under the same address with the same objects."""

    @property
    def api(self) -> Api: ...

    def restart(self) -> None: ...

    def kill(self) -> None: ...

    def forget(self) -> None: ...

    def stop(self) -> None: ...
