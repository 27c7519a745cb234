"""A TLS server of ours as an aggregated API of a real kube-apiserver, without a cluster network."""

import base64
from pathlib import Path

from hypersdk.model.base import JsonObject
from tests.controlplane.api import RealApi

NAMESPACE = "hypersdk-system"
SERVICE = "hypersdk-gateway"
APISERVICE = "v1alpha1.subresources.hypersdk.io"
SERVER_NAME = f"{SERVICE}.{NAMESPACE}.svc"
"""The host that the API server expects in the gateway's certificate."""


def register_gateway(api: RealApi, port: int, ca: Path, seconds: int = 60) -> None:
    """Make the API server proxy our subresources to `localhost:port`, and wait until it finds them Available.

    The gateway shows a certificate for SERVER_NAME signed by `ca`, answers 200 to
    `GET /apis/subresources.hypersdk.io/v1alpha1`, and trusts a client certificate of `api.front_proxy_ca`.
    """
    kubectl = api.kubectl()
    for manifest in (_namespace(), _service(port), _api_service(port, ca)):
        kubectl.apply(manifest)
    kubectl(
        "wait", "--for=condition=Available", f"apiservice/{APISERVICE}", f"--timeout={seconds}s", timeout=seconds + 10
    )


def unregister_gateway(api: RealApi) -> None:
    """Take the aggregated API away again: discovery stumbles over one that does not answer."""
    kubectl = api.kubectl()
    kubectl("delete", "apiservice", APISERVICE, "--ignore-not-found")
    kubectl("delete", "service", SERVICE, "-n", NAMESPACE, "--ignore-not-found")


def _namespace() -> JsonObject:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}


def _service(port: int) -> JsonObject:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": SERVICE, "namespace": NAMESPACE},
        "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": port}]},
    }


def _api_service(port: int, ca: Path) -> JsonObject:
    version, _, group = APISERVICE.partition(".")
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": APISERVICE},
        "spec": {
            "group": group,
            "version": version,
            "groupPriorityMinimum": 1000,
            "versionPriority": 10,
            "service": {"namespace": NAMESPACE, "name": SERVICE, "port": port},
            "caBundle": base64.b64encode(ca.read_bytes()).decode(),
        },
    }
