"""Which resources are always there? Those of Kubernetes itself that this product, or kubectl, cannot do without."""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import cast

import yaml

from apiserver.objects.names import label_problems, path_segment_problems
from apiserver.registry import definitions, typed
from apiserver.registry.resource import READ_WRITE, Layout, ResourceType, Rules
from apiserver.tables import builtin as tables
from hypersdk.model.base import JsonObject

_FOLDER = Path(__file__).resolve().parent.parent / "builtin"
_STATUS = ("status", ("get", "patch", "update"))
_EVENT_FIELDS = (
    *(
        f"involvedObject.{name}"
        for name in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    ),
    *("reason", "reportingComponent", "source", "type"),
)

NAMESPACES = "namespaces"
DEFINITIONS = "customresourcedefinitions.apiextensions.k8s.io"
EVENTS = "events"
REVIEWS = {
    "authorization.k8s.io": (
        "LocalSubjectAccessReview",
        "SelfSubjectAccessReview",
        "SelfSubjectRulesReview",
        "SubjectAccessReview",
    ),
    "authentication.k8s.io": ("SelfSubjectReview",),
}


@dataclass(frozen=True)
class _Names:
    group: str
    plural: str
    kind: str
    short: tuple[str, ...] = ()


@cache
def schema(name: str) -> JsonObject:
    """The schema of a built-in kind, or of `objectmeta`."""
    return cast("JsonObject", yaml.load((_FOLDER / f"{name}.yaml").read_bytes(), Loader=yaml.CSafeLoader))


def _typed(names: _Names, layout: Layout, rules: Rules, *, namespaced: bool = True) -> ResourceType:
    return ResourceType(
        group=names.group,
        version="v1",
        plural=names.plural,
        kind=names.kind,
        layout=layout,
        namespaced=namespaced,
        singular=names.kind.lower(),
        list_kind=f"{names.kind}List",
        short_names=names.short,
        schema=schema(names.plural),
        storage_version="v1",
        rules=rules,
    )


def builtin_resources() -> list[ResourceType]:
    """All of them."""
    return [*_core(), *_others(), *(_review(group, kind) for group, kinds in REVIEWS.items() for kind in kinds)]


def _core() -> list[ResourceType]:
    data = Rules(check=typed.check_data, complete=typed.complete_data, unowned=typed.unowned)
    secret = Rules(check=typed.check_data, complete=typed.complete_secret, unowned=typed.unowned)
    event = Rules(
        creates_on_update=True,
        complete=typed.complete_event,
        check=typed.check_event,
        unowned=typed.unowned_event,
    )
    namespace = Rules(
        name_problems=label_problems,
        complete=typed.complete_namespace,
        check=typed.check_namespace,
        unowned=typed.unowned_namespace,
    )
    return [
        _typed(_Names("", "configmaps", "ConfigMap", ("cm",)), tables.CONFIG_MAPS, data),
        replace(
            _typed(_Names("", "events", "Event", ("ev",)), tables.EVENTS, event),
            selectable=_EVENT_FIELDS,
            field_values=typed.event_fields,
        ),
        replace(
            _typed(_Names("", "namespaces", "Namespace", ("ns",)), tables.NAMESPACES, namespace, namespaced=False),
            verbs=tuple(verb for verb in READ_WRITE if verb != "deletecollection"),
            has_status=True,
            subresources=(("finalize", ("update",)), _STATUS),
            selectable=("status.phase",),
        ),
        replace(
            _typed(_Names("", "nodes", "Node", ("no",)), tables.NODES, Rules(unowned=typed.unowned), namespaced=False),
            has_status=True,
            subresources=(_STATUS,),
            selectable=("spec.unschedulable",),
        ),
        replace(_typed(_Names("", "secrets", "Secret"), tables.SECRETS, secret), selectable=("type",)),
    ]


def _others() -> list[ResourceType]:
    lease = Rules(
        needs_version=True,
        creates_on_update=True,
        name_problems=path_segment_problems,
        check=typed.check_lease,
        unowned=typed.unowned,
    )
    definition = Rules(
        counts_generations=True,
        complete=definitions.complete,
        check=definitions.check,
        unowned=definitions.unowned,
    )
    names = _Names("apiextensions.k8s.io", "customresourcedefinitions", "CustomResourceDefinition", ("crd", "crds"))
    return [
        _typed(_Names("coordination.k8s.io", "leases", "Lease"), tables.LEASES, lease),
        replace(
            _typed(names, tables.DEFINITIONS, definition, namespaced=False),
            categories=("api-extensions",),
            has_status=True,
            subresources=(_STATUS,),
        ),
    ]


def _review(group: str, kind: str) -> ResourceType:
    names = _Names(group, f"{kind.lower()}s", kind)
    review = _typed(names, tables.NOTHING, Rules(), namespaced=kind.startswith("Local"))
    return replace(review, verbs=("create",), list_kind="")
