"""Which resources are served right now? The built-in ones and those of the definitions that are stored."""

from collections.abc import Iterator

from apiserver.document import child
from apiserver.registry.custom import custom_resources
from apiserver.registry.resource import ResourceType
from hypersdk.model.base import JsonObject

_CORE_FIRST = ("", "coordination.k8s.io", "apiextensions.k8s.io", "authentication.k8s.io", "authorization.k8s.io")


class Catalogue:
    """Every resource by group, version and plural name."""

    def __init__(self, builtin: list[ResourceType]) -> None:
        self._builtin = builtin
        self._custom: dict[str, list[ResourceType]] = {}
        self._index: dict[tuple[str, str, str], ResourceType] = {}
        self.terminating: set[str] = set()
        """Ids of resources whose definition is being deleted: nothing new is made of them."""
        self.generation = 0
        """Counts up with every change, so that what is made from the catalogue can be kept."""
        self._rebuild()

    def define(self, name: str, definition: JsonObject) -> None:
        """Serve what the definition of that name says."""
        self._custom[name] = custom_resources(definition)
        if "deletionTimestamp" in child(definition, "metadata"):
            self.terminating.add(name)
        self._rebuild()

    def forget(self, name: str) -> None:
        """Stop serving what the definition of that name said."""
        self.terminating.discard(name)
        if self._custom.pop(name, None) is not None:
            self._rebuild()

    def _rebuild(self) -> None:
        resources = [*self._builtin, *(one for served in self._custom.values() for one in served)]
        self._index = {(one.group, one.version, one.plural): one for one in resources}
        self.generation += 1

    def is_builtin(self, group: str) -> bool:
        """Whether a group is one of Kubernetes' own."""
        return group in _CORE_FIRST

    def of_kind(self, api_version: str, kind: str) -> ResourceType | None:
        """The resource of a kind, whatever its version."""
        group = api_version.rpartition("/")[0]
        return next((one for one in self if one.group == group and one.kind == kind), None)

    def by_id(self, resource_id: str) -> ResourceType | None:
        """A resource (any of its versions) by the name that its objects are stored under."""
        return next((one for one in self if one.id == resource_id), None)

    def find(self, group: str, version: str, plural: str) -> ResourceType | None:
        """The resource, if it is served."""
        return self._index.get((group, version, plural))

    def resources(self, group: str, version: str) -> list[ResourceType]:
        """The resources of one group and version, by name."""
        return sorted((one for one in self if (one.group, one.version) == (group, version)), key=lambda one: one.plural)

    def groups(self) -> dict[str, list[str]]:
        """Every group with its versions, the core group (named by the empty string) first."""
        groups: dict[str, list[str]] = {name: [] for name in _CORE_FIRST}
        for one in self:
            versions = groups.setdefault(one.group, [])
            if one.version not in versions:
                versions.append(one.version)
        return groups

    def __iter__(self) -> Iterator[ResourceType]:
        return iter(self._index.values())
