"""kubectl's binary bodies are read."""

import pytest

from apiserver.document import Unreadable
from apiserver.protobuf import decode_protobuf, knows


def field(number: int, content: bytes | int) -> bytes:
    """One field on the wire; short contents only."""
    if isinstance(content, int):
        return bytes([number << 3, content])
    return bytes([number << 3 | 2, len(content)]) + content


def envelope(version: str, kind: str, raw: bytes) -> bytes:
    meta = field(1, version.encode()) + field(2, kind.encode())
    return b"k8s\0" + field(1, meta) + field(2, raw) + field(3, b"") + field(4, b"")


def test_an_access_review() -> None:
    asked = field(1, b"default") + field(2, b"create") + field(3, b"hypersdk.io") + field(5, b"virtualmachines")
    raw = field(1, field(1, b"")) + field(2, field(1, asked)) + field(3, field(1, 0))
    assert decode_protobuf(envelope("authorization.k8s.io/v1", "SelfSubjectAccessReview", raw)) == {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {
            "resourceAttributes": {
                "namespace": "default",
                "verb": "create",
                "group": "hypersdk.io",
                "resource": "virtualmachines",
            }
        },
    }


def test_maps_bytes_and_times() -> None:
    meta = field(1, b"s") + field(8, field(1, 5)) + field(11, field(1, b"app") + field(2, b"web"))
    raw = field(1, meta) + field(2, field(1, b"key") + field(2, b"\x00\xff")) + field(3, b"Opaque")
    assert decode_protobuf(envelope("v1", "Secret", raw)) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "creationTimestamp": "1970-01-01T00:00:05Z", "labels": {"app": "web"}},
        "data": {"key": "AP8="},
        "type": "Opaque",
    }


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{}", "no k8s prefix"),
        (b"k8s\0", "names no kind"),
        (b"k8s\0\x0a\xff", "cut off"),
        (envelope("v1", "Pod", b""), "Pod is not understood"),
        (envelope("v1", "ConfigMap", b"\x0a\x05a"), "cut off"),
        (envelope("v1", "ConfigMap", b"\x0f"), "broken"),
        (envelope("v1", "ConfigMap", field(1, 3)), "wrong wire type"),
        (envelope("v1", "ConfigMap", field(1, field(1, b"\xff"))), "not UTF-8"),
        (envelope("v1", "Lease", field(2, field(3, b"\x08" + b"\xff" * 8 + b"\x3f"))), "out of range"),
    ],
)
def test_broken_bodies_are_refused(body: bytes, words: str) -> None:
    with pytest.raises(Unreadable, match=words):
        decode_protobuf(body)


def test_only_some_kinds_are_known() -> None:
    assert knows("Namespace")
    assert not knows("Pod")
