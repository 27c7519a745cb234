"""What does the server tell about its resources? Legacy discovery lists, and the aggregated one (v2)."""

import base64
import hashlib

from pydantic import JsonValue

from apiserver.document import decode, items, objects, text
from apiserver.gateway import GROUP as STREAMS
from apiserver.gateway import VERSION as STREAMS_VERSION
from apiserver.registry.catalogue import Catalogue
from apiserver.registry.resource import ResourceType
from hypersdk.model.base import JsonObject

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def wants_aggregated(accept: str) -> bool:
    """Whether an Accept header asks for aggregated discovery before anything else that this server can make."""
    first = accept.split(",", 1)[0].replace(" ", "")
    return set(AGGREGATED.split(";")) <= set(first.split(";"))


def api_versions(address: str) -> JsonObject:
    """GET /api."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def api_group_list(catalogue: Catalogue) -> JsonObject:
    """GET /apis."""
    groups = [_group(name, versions) for name, versions in catalogue.groups().items() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": list(groups)}


def api_group(catalogue: Catalogue, name: str) -> JsonObject | None:
    """GET /apis/<group>; None when there is no such group."""
    versions = catalogue.groups().get(name)
    head: JsonObject = {"kind": "APIGroup", "apiVersion": "v1"}
    return head | _group(name, versions) if versions else None


def _group(name: str, versions: list[str]) -> JsonObject:
    listed: list[JsonValue] = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def api_resource_list(catalogue: Catalogue, group: str, version: str) -> JsonObject | None:
    """GET /api/v1 and /apis/<group>/<version>; None when there is nothing."""
    resources = catalogue.resources(group, version)
    if not resources:
        return None
    listed: list[JsonValue] = [entry for resource in resources for entry in _entries(resource)]
    group_version = f"{group}/{version}" if group else version
    head: JsonObject = {"kind": "APIResourceList", "groupVersion": group_version}
    return head | ({"apiVersion": "v1"} if group else {}) | {"resources": listed}


def _entries(resource: ResourceType) -> list[JsonObject]:
    main: JsonObject = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    main |= _names(resource)
    if "list" in resource.verbs:
        main["storageVersionHash"] = _storage_hash(resource)
    subresources: list[JsonObject] = [
        {
            "name": f"{resource.plural}/{name}",
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": list(verbs),
        }
        for name, verbs in resource.subresources
    ]
    return [main, *subresources]


def _names(resource: ResourceType) -> JsonObject:
    names: JsonObject = {}
    if resource.short_names:
        names["shortNames"] = list(resource.short_names)
    if resource.categories:
        names["categories"] = list(resource.categories)
    return names


def _storage_hash(resource: ResourceType) -> str:
    words = f"{resource.group}/{resource.storage_version}/{resource.kind}"
    return base64.b64encode(hashlib.sha256(words.encode()).digest()[:8]).decode()


def aggregated(catalogue: Catalogue, *, core: bool) -> JsonObject:
    """GET /api or /apis with the aggregated form."""
    groups = {name: versions for name, versions in catalogue.groups().items() if bool(name) is not core}
    listed: list[JsonValue] = [
        {
            "metadata": {"name": name, "creationTimestamp": None} if name else {"creationTimestamp": None},
            "versions": [_version(catalogue, name, version) for version in versions],
        }
        for name, versions in groups.items()
    ]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": listed}


def _version(catalogue: Catalogue, group: str, version: str) -> JsonObject:
    resources = [_discovered(resource) for resource in catalogue.resources(group, version)]
    return {"version": version, "resources": list(resources), "freshness": "Current"}


def _discovered(resource: ResourceType) -> JsonObject:
    kind: JsonObject = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    entry: JsonObject = {
        "resource": resource.plural,
        "responseKind": kind,
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    entry |= _names(resource)
    if resource.subresources:
        entry["subresources"] = [
            {"subresource": name, "responseKind": dict(kind), "verbs": list(verbs)}
            for name, verbs in resource.subresources
        ]
    return entry


def stream_group() -> JsonObject:
    """The group of the streams, as an APIGroup."""
    head: JsonObject = {"kind": "APIGroup", "apiVersion": "v1"}
    return head | _group(STREAMS, [STREAMS_VERSION])


def with_stream_group(groups: JsonObject, streams: bytes | None) -> JsonObject:
    """The list of groups, with that of the streams while the gateway answers."""
    if streams is None:
        return groups
    return groups | {"groups": [*items(groups, "groups"), _group(STREAMS, [STREAMS_VERSION])]}


def with_streams(discovered: JsonObject, streams: bytes | None) -> JsonObject:
    """Aggregated discovery, with the streams while the gateway answers (`streams` is its APIResourceList)."""
    if streams is None:
        return discovered
    listed = decode(streams).value
    resources = objects(items(listed, "resources")) if isinstance(listed, dict) else []
    entries = [_stream_entry(parent, resources) for parent in dict.fromkeys(_parent(one) for one in resources)]
    served: JsonObject = {"version": STREAMS_VERSION, "resources": list(entries), "freshness": "Current"}
    entry: JsonObject = {"metadata": {"name": STREAMS}, "versions": [served]}
    return discovered | {"items": [*items(discovered, "items"), entry]}


def _parent(resource: JsonObject) -> str:
    return text(resource, "name").partition("/")[0]


def _stream_entry(parent: str, resources: list[JsonObject]) -> JsonObject:
    """One parent with its subresources; the parent itself has no verbs here."""
    below = [one for one in resources if text(one, "name").startswith(f"{parent}/")]
    kinds: list[JsonObject] = [
        {"group": STREAMS, "version": STREAMS_VERSION, "kind": text(one, "kind")} for one in below
    ]
    return {
        "resource": parent,
        "scope": "Namespaced",
        "singularResource": "",
        "verbs": [],
        "subresources": [
            {
                "subresource": text(one, "name").partition("/")[2],
                "responseKind": kind,
                "verbs": items(one, "verbs"),
            }
            for one, kind in zip(below, kinds, strict=True)
        ],
    }
