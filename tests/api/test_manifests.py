"""What an administrator applies to a cluster: it is taken, and gives people what it says and no more."""

import json
from collections.abc import Iterator

import pytest

from hypersdk.data import data_folder
from hypersdk.model.base import JsonObject
from tests.api.builders import at, virtual_machine
from tests.controlplane.api import RealApi
from tests.controlplane.gateway import unregister_gateway
from tests.controlplane.kubectl import Kubectl, Refused

MANIFESTS = data_folder("deploy") / "manifests"
SUBRESOURCES = "subresources.hypersdk.io"


@pytest.fixture(scope="module")
def installed(real_api: RealApi) -> Iterator[str]:
    """What kubectl said about every manifest; the gateway, which nobody answers for here, is removed again."""
    yield real_api.kubectl()("apply", "--validate=strict", "-f", MANIFESTS)
    unregister_gateway(real_api)


@pytest.fixture
def real_kubectl(real_api: RealApi) -> Kubectl:
    """kubectl as an administrator of the real cluster."""
    return real_api.kubectl()


def test_every_manifest_applies(installed: str) -> None:
    applied = installed.splitlines()
    assert len(applied) >= 11
    assert all(line.endswith((" created", " configured", " unchanged")) for line in applied)
    assert any(line.startswith("apiservice.apiregistration.k8s.io/v1alpha1.subresources") for line in applied)


def _may(kubectl: Kubectl, user: str, groups: list[str], verb: str, resource: str) -> bool:
    """What RBAC says of `verb resource.group/subresource` in namespace default."""
    named, _, subresource = resource.partition("/")
    plural, _, group = named.partition(".")
    attributes: JsonObject = {
        "verb": verb,
        "resource": plural,
        "group": group,
        "subresource": subresource,
        "namespace": "default",
    }
    review: JsonObject = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "groups": list(groups), "resourceAttributes": attributes},
    }
    answer = json.loads(kubectl("create", "-o", "json", "-f", "-", stdin=json.dumps(review)))
    return at(answer, "status", "allowed") is True


ROLES = {
    "view": {
        ("get", "virtualmachines.hypersdk.io"): True,
        ("get", f"virtualmachines.{SUBRESOURCES}/console"): True,
        ("get", f"virtualmachines.{SUBRESOURCES}/metrics"): True,
        ("update", f"virtualmachines.{SUBRESOURCES}/console"): False,
        ("create", "vmoperations.hypersdk.io"): False,
        ("delete", "virtualmachines.hypersdk.io"): False,
        ("get", "secrets"): False,
    },
    "operate": {
        ("get", "virtualmachines.hypersdk.io"): True,
        ("create", "vmoperations.hypersdk.io"): True,
        ("delete", "virtualmachines.hypersdk.io"): True,
        ("update", f"virtualmachines.{SUBRESOURCES}/console"): True,
        ("update", f"virtualmachines.{SUBRESOURCES}/portforward"): True,
        ("patch", "virtualmachines.hypersdk.io/status"): False,
        ("create", "vmnodes.hypersdk.io"): False,
        ("get", "secrets"): False,
    },
}
CASES = [(role, *what, allowed) for role, rights in ROLES.items() for what, allowed in rights.items()]


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(("role", "verb", "resource", "allowed"), CASES)
def test_roles_give_what_they_say(real_kubectl: Kubectl, role: str, verb: str, resource: str, allowed: bool) -> None:
    user = f"{role}er"
    binding = f"test-{role}"
    real_kubectl.within("default").apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": binding},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": f"hypersdk-{role}"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        }
    )
    assert _may(real_kubectl, user, [], verb, resource) is allowed


CONTROLLER = "system:serviceaccount:hypersdk-system:hypersdk-controller"
CONTROLLERS_RIGHTS = {
    ("patch", "virtualmachines.hypersdk.io/status"): True,
    ("create", "vmnodes.hypersdk.io"): True,
    ("create", "events"): True,
    ("create", "subjectaccessreviews.authorization.k8s.io"): True,
    ("get", "secrets"): False,
    ("create", "pods"): False,
}


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(("what", "allowed"), CONTROLLERS_RIGHTS.items())
def test_the_controller_has_what_it_needs(real_kubectl: Kubectl, what: tuple[str, str], allowed: bool) -> None:
    verb, resource = what
    groups = ["system:serviceaccounts", "system:serviceaccounts:hypersdk-system", "system:authenticated"]
    assert _may(real_kubectl, CONTROLLER, groups, verb, resource) is allowed


@pytest.mark.usefixtures("installed")
def test_a_user_whom_nobody_named_sees_nothing(real_api: RealApi) -> None:
    plain = real_api.kubectl("default", context="plain")
    with pytest.raises(Refused, match="Forbidden"):
        plain("get", "vm")
    with pytest.raises(Refused, match="Forbidden"):
        plain.apply(virtual_machine("web"))
