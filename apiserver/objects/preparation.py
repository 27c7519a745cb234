"""What does the server itself write into an object before it is stored? uid, times, generation, status kept apart."""

import secrets
import uuid
from datetime import datetime

from apiserver.document import child, made_child, text
from apiserver.registry.resource import ResourceType
from hypersdk.model.base import JsonObject, rfc3339

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_SERVER_OWNED = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")
_LONGEST_STEM = 58


def generated_name(stem: str) -> str:
    """A name that nobody has, most likely."""
    return stem[:_LONGEST_STEM] + "".join(secrets.choice(_LETTERS) for _ in range(5))


def prepare_create(resource: ResourceType, obj: JsonObject, namespace: str, now: datetime) -> None:
    """Make a new object out of what a client sent."""
    meta = made_child(obj, "metadata")
    for name in (*_SERVER_OWNED, "resourceVersion", "selfLink", "namespace"):
        meta.pop(name, None)
    if not text(meta, "name") and text(meta, "generateName"):
        meta["name"] = generated_name(text(meta, "generateName"))
    if resource.namespaced:
        meta["namespace"] = namespace
    meta["uid"] = str(uuid.uuid4())
    meta["creationTimestamp"] = rfc3339(now)
    if resource.rules.counts_generations:
        meta["generation"] = 1
    if resource.has_status:
        obj.pop("status", None)
    _drop_empty(meta)
    resource.rules.complete(obj, None, now)


def prepare_update(
    resource: ResourceType, obj: JsonObject, old: JsonObject, subresource: str, now: datetime
) -> JsonObject:
    """The object as it would be stored: what the endpoint may not change is as before."""
    if subresource == "status":
        obj = _only_status(obj, old)
    elif resource.has_status:
        obj.pop("status", None)
        if "status" in old:
            obj["status"] = old["status"]
    meta, before = made_child(obj, "metadata"), child(old, "metadata")
    for name in ("creationTimestamp", "generation"):
        meta.pop(name, None)
        if name in before:
            meta[name] = before[name]
    for name in ("deletionTimestamp", "deletionGracePeriodSeconds"):
        if meta.get(name) is None and name in before:
            meta[name] = before[name]
    meta.pop("selfLink", None)
    meta["uid"] = meta.get("uid") or before.get("uid")
    if resource.namespaced:
        meta["namespace"] = before.get("namespace")
    _drop_empty(meta)
    resource.rules.complete(obj, old, now)
    if resource.rules.counts_generations and _spec_changed(resource, obj, old):
        generation = before.get("generation")
        meta["generation"] = (generation if isinstance(generation, int) else 0) + 1
    return obj


def _only_status(obj: JsonObject, old: JsonObject) -> JsonObject:
    kept = dict(old)
    kept.pop("status", None)
    if "status" in obj:
        kept["status"] = obj["status"]
    sent = child(obj, "metadata")
    meta = dict(child(old, "metadata"))
    for name in ("managedFields", "resourceVersion", "uid"):
        meta.pop(name, None)
        if name in sent:
            meta[name] = sent[name]
    kept["metadata"] = meta
    return kept


def _drop_empty(meta: JsonObject) -> None:
    """Empty maps and lists of the metadata are as good as missing."""
    for name in ("labels", "annotations", "finalizers", "ownerReferences", "generateName"):
        if name in meta and not meta[name]:
            del meta[name]


def _spec_changed(resource: ResourceType, obj: JsonObject, old: JsonObject) -> bool:
    apart = {"metadata", "status"} if resource.has_status else {"metadata"}
    return {k: v for k, v in obj.items() if k not in apart} != {k: v for k, v in old.items() if k not in apart}


def mark_deleted(obj: JsonObject, resource: ResourceType, now: datetime) -> None:
    """Note that deletion was asked for; finalizers hold the object."""
    meta = made_child(obj, "metadata")
    meta["deletionTimestamp"] = rfc3339(now)
    generation = meta.get("generation")
    if resource.plural not in {"namespaces", "customresourcedefinitions"}:
        meta["deletionGracePeriodSeconds"] = 0
        if isinstance(generation, int):
            meta["generation"] = generation + 1
    if resource.id == "namespaces":
        made_child(obj, "status")["phase"] = "Terminating"


def is_held(obj: JsonObject) -> bool:
    """Whether a finalizer keeps the object (a namespace's own ones are in its spec)."""
    held = child(obj, "metadata").get("finalizers")
    return bool(held) or (obj.get("kind") == "Namespace" and bool(child(obj, "spec").get("finalizers")))
