"""Which store does a spec name, and may it be used by this namespace?

In a store that the node itself pays for, or a folder of the node, everything of a namespace lies below its own name,
and nothing else may be read from there: who may make a RestoreJob must not get at other namespaces' disks by it.
"""

import asyncio
import re
from dataclasses import dataclass, replace

from controller.node.backups.folder import FolderStore, allowed_folder
from controller.node.backups.objects import ObjectStore
from controller.node.backups.store import DESTINATION, Place, Store, checked_path
from controller.node.images.s3 import Keys, keys_of_secret, read_keys
from controller.settings import Settings
from hypersdk.errors import ConfigError, NotFound, Terminal, Transient
from hypersdk.kube.client import Client
from hypersdk.model.backupjob import BackupDestination, Credentials
from hypersdk.model.kinds import SECRETS
from hypersdk.model.restorejob import RestoreSource

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ENDPOINT = re.compile(r"https?://[^/?#@\s]+/?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_CLOUDS = {"azure-blob": "Azure", "gcs": "Google Cloud Storage"}


@dataclass(frozen=True)
class Target:
    """What a spec says of a store, of a backup's destination and of a restore's source alike."""

    kind: str
    bucket: str = ""
    endpoint: str = ""
    region: str = ""
    credentials: Credentials | None = None


def of_destination(spec: BackupDestination) -> Target:
    """The store that a backup goes to."""
    return Target(spec.type, spec.bucket or "", spec.endpoint or "", spec.region or "", spec.credentials)


def of_source(spec: RestoreSource) -> Target:
    """The store that a restore reads from."""
    return Target(spec.type, spec.bucket or "", spec.endpoint or "", spec.region or "", spec.credentials)


@dataclass(frozen=True)
class Destinations:
    """Opens stores."""

    client: Client
    settings: Settings

    async def open(self, target: Target, namespace: str) -> Store:
        """The store; Terminal when it may not be, Transient when that cannot be told now."""
        match target.kind:
            case "s3":
                return ObjectStore(_bucket(target.bucket), await self._keys(target, namespace), self.settings.addresses)
            case "local" | "nfs":
                nfs = target.kind == "nfs"
                folder = await asyncio.to_thread(allowed_folder, target.bucket, self.settings.backup_folders, nfs=nfs)
                return FolderStore(folder)
        name = _CLOUDS.get(target.kind, target.kind)
        raise Terminal("Unsupported", f"backups go to s3, local and nfs; {name} is not spoken")

    async def place(self, spec: BackupDestination, namespace: str, vm: str) -> Place:
        """Where the backups of a VM go."""
        prefix = checked_path(spec.prefix or "", "destination.prefix")
        store = await self.open(of_destination(spec), namespace)
        return Place(store, "/".join(part for part in (namespace, prefix, vm) if part))

    async def _keys(self, target: Target, namespace: str) -> Keys:
        if target.endpoint and not _ENDPOINT.fullmatch(target.endpoint):
            raise Terminal(DESTINATION, f"endpoint {target.endpoint!r} must be like https://minio.example:9000")
        secret = target.credentials.secret_ref if target.credentials else None
        if secret is None:
            return await self._own(target)
        if secret.namespace not in {None, namespace}:
            raise Terminal(DESTINATION, f"credentials.secretRef names a Secret of namespace {secret.namespace}")
        if not _SUBDOMAIN.fullmatch(secret.name):
            raise Terminal(DESTINATION, f"credentials.secretRef: {secret.name!r} cannot be the name of a Secret")
        try:
            keys = keys_of_secret(await self.client.get(SECRETS, namespace, secret.name))
        except NotFound as error:
            words = f"credentials.secretRef is {secret.name}, a Secret that {namespace} does not have"
            raise Terminal("SecretNotFound", words) from error
        return replace(keys, endpoint=target.endpoint or keys.endpoint, region=target.region or keys.region)

    async def _own(self, target: Target) -> Keys:
        """The account of the node, which goes to its own store alone."""
        try:
            keys = await asyncio.to_thread(read_keys, self.settings.object_store)
        except ConfigError as error:
            raise Transient(str(error)) from error
        if keys is None:
            words = "destination.credentials.secretRef is needed: this node has no account of its own (--object-store)"
            raise Terminal("CredentialsMissing", words)
        if target.endpoint and target.endpoint.rstrip("/") != keys.endpoint.rstrip("/"):
            raise Terminal(DESTINATION, "another endpoint than the node's own needs credentials.secretRef")
        return replace(keys, region=target.region or keys.region)


def is_shared(target: Target) -> bool:
    """Whether other namespaces' backups lie in the same store, kept apart by their folders alone."""
    return target.kind != "s3" or target.credentials is None or target.credentials.secret_ref is None


def _bucket(name: str) -> str:
    if not _BUCKET.fullmatch(name) or ".." in name:
        words = "3 to 63 lower-case letters, digits, '-' and '.'"
        raise Terminal(DESTINATION, f"destination.bucket {name!r} cannot be the name of a bucket ({words})")
    return name
