"""What does a client need to reach the server? A kubeconfig with the address, the authority and the token in it."""

import base64

import yaml

NAME = "hypersdk"


def kubeconfig(server: str, authority: bytes, token: str) -> bytes:
    """The file's content: one context, `hypersdk`, in the namespace `default`."""
    cluster = {"server": server, "certificate-authority-data": base64.b64encode(authority).decode()}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NAME, "cluster": cluster}],
        "users": [{"name": NAME, "user": {"token": token}}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME, "namespace": "default"}}],
        "current-context": NAME,
    }
    return yaml.safe_dump(config, sort_keys=False).encode()
