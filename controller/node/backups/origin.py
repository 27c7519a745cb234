"""Where does a restore read from: which store, which folder in it, and which manifest must be there?"""

from dataclasses import dataclass
from pathlib import Path

from controller.node.backups.destination import Destinations, is_shared, of_destination, of_source
from controller.node.backups.making import folder_of
from controller.node.backups.manifest import MANIFEST
from controller.node.backups.store import DESTINATION, Place, checked_path
from hypersdk.errors import NotFound, Terminal
from hypersdk.kube.client import Client
from hypersdk.model.backupjob import BackupJob
from hypersdk.model.kinds import BACKUP_JOBS
from hypersdk.model.restorejob import RestoreJob, RestoreSource


@dataclass(frozen=True)
class Origin:
    """A backup to restore."""

    place: Place
    folder: str
    expected: str = ""
    """The sha256 of its manifest, where a BackupJob knows it."""


@dataclass(frozen=True)
class Origins:
    """Finds them."""

    client: Client
    destinations: Destinations

    async def of(self, restore: RestoreJob) -> Origin:
        """The backup that the spec names; Terminal when it names none, or one that this namespace may not read."""
        source, namespace = restore.spec.source, restore.key[0]
        if source.type == "backup-ref":
            return await self._of_job(await self.job(restore), namespace)
        return await self._of_path(source, namespace)

    async def job(self, restore: RestoreJob) -> BackupJob:
        """The BackupJob that the source refers to."""
        ref, namespace = restore.spec.source.backup_job_ref, restore.key[0]
        name = (ref.name if ref else None) or ""
        if ref is not None and ref.namespace not in {None, namespace}:
            words = f"backupJobRef names a BackupJob of namespace {ref.namespace}; a restore stays in its own namespace"
            raise Terminal("CrossNamespaceReference", words)
        try:
            return await self.client.get(BACKUP_JOBS, namespace, checked_path(name, "backupJobRef.name"))
        except NotFound as error:
            raise Terminal("BackupNotFound", f"there is no BackupJob {name} in namespace {namespace}") from error

    async def _of_job(self, job: BackupJob, namespace: str) -> Origin:
        name, phase = job.metadata.name, job.status.phase or "Pending"
        if phase != "Completed":
            raise Terminal("BackupNotCompleted", f"BackupJob {name} is {phase}: there is nothing to restore from")
        store = await self.destinations.open(of_destination(job.spec.destination), namespace)
        prefix = checked_path(job.spec.destination.prefix or "", "destination.prefix")
        folder = "/".join(part for part in (namespace, prefix, job.machine[1]) if part)
        return Origin(Place(store, folder), folder_of(job), (job.status.checksum or "").removeprefix("sha256:"))

    async def _of_path(self, source: RestoreSource, namespace: str) -> Origin:
        target, text = of_source(source), source.path or ""
        if target.kind in {"local", "nfs"} and not target.bucket and text.startswith("/"):
            source = self._in_folder(source, text)
            target, text = of_source(source), source.path or ""
        path = checked_path(text, "source.path").removesuffix(MANIFEST).rstrip("/")
        parent, _, folder = path.rpartition("/")
        if not folder:
            raise Terminal(DESTINATION, "source.path is missing: write the folder of the backup, as outputPath has it")
        if is_shared(target) and parent.split("/")[0] != namespace:
            words = f"source.path {path!r} is not below {namespace}/: only this namespace's backups may be read there"
            raise Terminal("CrossNamespaceReference", words)
        return Origin(Place(await self.destinations.open(target, namespace), parent), folder)

    def _in_folder(self, source: RestoreSource, text: str) -> RestoreSource:
        """An absolute path, as `outputPath` has it, by the node's folder and the rest."""
        for folder in self.destinations.settings.backup_folders:
            if Path(text).is_relative_to(folder):
                return source.but(bucket=str(folder), path=str(Path(text).relative_to(folder)))
        return source.but(bucket=text)
