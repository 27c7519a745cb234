"""POST and PUT on objects."""

from datetime import datetime

from aiohttp import web

from apiserver.document import child, encode, items, text
from apiserver.handlers import admission
from apiserver.handlers.answers import object_answer
from apiserver.handlers.call import Call, WriteOptions, check_namespace, write_options
from apiserver.objects.preparation import generated_name, is_held, prepare_create, prepare_update
from apiserver.ownership.applying import metadata_schema
from apiserver.ownership.managers import Writer, read_managers, track_update
from apiserver.refusal import (
    FieldError,
    Refusal,
    bad_request,
    conflict,
    exists_already,
    invalid,
    not_found,
    unsupported_verb,
)
from apiserver.registry.builtin import schema as builtin_schema
from apiserver.registry.resource import ResourceType
from apiserver.storage.stored import Stored
from hypersdk.model.base import JsonObject

_NAME_ATTEMPTS = 8


async def create(call: Call) -> web.Response:
    """POST on a collection."""
    options = write_options(call, "CreateOptions")
    sent = await admission.read_object(call)
    problem = admission.settle_fields(call, sent.obj, sent.duplicates, options.validation)
    admission.refuse_strictly(call.resource, problem)
    return await object_answer(call, await create_object(call, sent.obj, options), 201)


async def create_object(call: Call, obj: JsonObject, options: WriteOptions, managed: bool = False) -> bytes:
    """Store a new object; `managed` says that its managedFields are made already. Its JSON as stored."""
    check_place(call, obj)
    if call.resource.id in call.api.catalogue.terminating:
        raise unsupported_verb(call.resource.named(""), "create")
    name = text(child(obj, "metadata"), "name")
    check_namespace(call, name)
    now = call.api.now()
    stem = "" if name else text(child(obj, "metadata"), "generateName")
    if text(child(obj, "metadata"), "resourceVersion") and not options.dry_run:
        raise Refusal(500, "", "resourceVersion should not be set on objects to be created")
    prepare_create(call.resource, obj, call.route.namespace, now)
    admission.check_new(call, obj)
    if not managed:
        unowned, schema = call.resource.rules.unowned(obj), ownership_schema(call.resource)
        track_update(unowned, obj, schema, _writer(call, options), now, is_new=True)
    for _ in range(_NAME_ATTEMPTS if stem else 1):
        key = call.key_of(text(child(obj, "metadata"), "name"))
        await call.api.store.settled(key)
        if call.api.store.get(key) is None:
            check_namespace(call, key.name)
            return encode(obj) if options.dry_run else (await call.api.store.put(key, obj)).raw
        if stem:
            child(obj, "metadata")["name"] = generated_name(stem)
    there = call.api.store.get(key)
    raise exists_already(
        call.resource.named(key.name),
        was_generated=bool(text(child(obj, "metadata"), "generateName")),
        is_going=there is not None and "deletionTimestamp" in child(there.document(), "metadata"),
    )


def check_place(call: Call, obj: JsonObject) -> None:
    """The namespace in an object, if there is one, is the one in the path."""
    namespace = text(child(obj, "metadata"), "namespace")
    if call.resource.namespaced and namespace and namespace != call.route.namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


def check_name(call: Call, obj: JsonObject) -> None:
    """The name in an object is the one in the path."""
    name = text(child(obj, "metadata"), "name")
    if not name:
        known = f"{call.route.name} based on URL"
        raise bad_request(f"the name of the object ({known}) was undeterminable: name must be provided")
    if name != call.route.name:
        raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({call.route.name})")


def check_versioned(call: Call, obj: JsonObject) -> None:
    """An update of a kind that needs it says which version it changes."""
    if call.resource.rules.needs_version and not text(child(obj, "metadata"), "resourceVersion"):
        detail = "Invalid value: 0: must be specified for an update"
        error = FieldError("FieldValueInvalid", "metadata.resourceVersion", detail)
        raise invalid(call.resource.named(call.route.name), [error])


def _check_uid(call: Call, obj: JsonObject, current: JsonObject) -> None:
    """409 when a replacement is meant for another object of that name."""
    uid, there = text(child(obj, "metadata"), "uid"), text(child(current, "metadata"), "uid")
    if uid and uid != there:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {there}"
        raise conflict(call.resource.named(call.route.name), why)


def ownership_schema(resource: ResourceType) -> JsonObject:
    """The schema by which fields are owned."""
    return metadata_schema(resource.schema, builtin_schema("objectmeta"))


def _writer(call: Call, options: WriteOptions) -> Writer:
    return Writer(options.manager, "Update", call.resource.api_version, call.route.subresource)


async def replace(call: Call) -> web.Response:
    """PUT on an object or its status."""
    options = write_options(call, "UpdateOptions")
    sent = await admission.read_object(call)
    problem = admission.settle_fields(call, sent.obj, sent.duplicates, options.validation)
    admission.refuse_strictly(call.resource, problem)
    check_name(call, sent.obj)
    check_place(call, sent.obj)
    await call.api.store.settled(call.key)
    old = call.api.store.get(call.key)
    if old is None and call.resource.rules.creates_on_update and not call.route.subresource:
        return await object_answer(call, await create_object(call, sent.obj, options), 201)
    if old is None:
        raise not_found(call.resource.named(call.route.name))
    _check_uid(call, sent.obj, old.document())
    check_versioned(call, sent.obj)
    return await object_answer(call, await update_object(call, old, sent.obj, options))


async def update_object(
    call: Call, old: Stored, obj: JsonObject, options: WriteOptions, managed: bool = False
) -> bytes:
    """Store a new state; `old` was read after the key had settled, with no await since. Its JSON as stored."""
    now = call.api.now()
    before = old.document()
    new = _updated(call, before, obj, now)
    if not managed:
        track_update(before, new, ownership_schema(call.resource), _writer(call, options), now)
    if _is_same(before, new):
        return old.raw
    ends = "deletionTimestamp" in child(new, "metadata") and not is_held(new)
    if options.dry_run:
        return encode(new)
    if ends:
        await call.api.store.remove(call.key, old.document())
        child(new, "metadata")["resourceVersion"] = str(old.version)
        return encode(new)
    return (await call.api.store.put(call.key, new)).raw


def _updated(call: Call, before: JsonObject, obj: JsonObject, now: datetime) -> JsonObject:
    """The checked new state."""
    about = call.resource.named(call.route.name)
    sent, current = child(obj, "metadata"), child(before, "metadata")
    version = text(sent, "resourceVersion")
    if version and version != text(current, "resourceVersion"):
        raise conflict(about)
    new = prepare_update(call.resource, obj, before, call.route.subresource, now)
    child(new, "metadata")["resourceVersion"] = text(current, "resourceVersion")
    admission.check_update(call, new, before)
    return new


def _is_same(before: JsonObject, new: JsonObject) -> bool:
    """Whether a write would change nothing but the times at which fields were taken over."""

    def content(obj: JsonObject) -> JsonObject:
        meta = {name: value for name, value in child(obj, "metadata").items() if name != "managedFields"}
        return obj | {"metadata": meta}

    if content(before) != content(new):
        return False
    owners_before = {writer: manager.fields for writer, manager in read_managers(before).items()}
    return owners_before == {writer: manager.fields for writer, manager in read_managers(new).items()}


async def finalize(call: Call) -> web.Response:
    """PUT on a namespace's `finalize`: replaces spec.finalizers."""
    options = write_options(call, "UpdateOptions")
    sent = await admission.read_object(call)
    await call.api.store.settled(call.key)
    old = call.api.store.get(call.key)
    if old is None:
        raise not_found(call.resource.named(call.route.name))
    new = old.document()
    spec = child(new, "spec")
    spec["finalizers"] = items(child(sent.obj, "spec"), "finalizers")
    if options.dry_run:
        return await object_answer(call, encode(new))
    ends = "deletionTimestamp" in child(new, "metadata") and not is_held(new)
    write = call.api.store.remove if ends else call.api.store.put
    return await object_answer(call, (await write(call.key, new)).raw)
