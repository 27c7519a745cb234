"""What every object of the API has: metadata, conditions, and how models read and write JSON."""

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, JsonValue, PlainSerializer
from pydantic.alias_generators import to_camel

JsonObject = dict[str, JsonValue]


def rfc3339(moment: datetime) -> str:
    """Seconds precision in UTC, as metav1.Time writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339_micro(moment: datetime) -> str:
    """Microseconds precision in UTC, as metav1.MicroTime writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


Time = Annotated[datetime, PlainSerializer(rfc3339, return_type=str, when_used="json")]
MicroTime = Annotated[datetime, PlainSerializer(rfc3339_micro, return_type=str, when_used="json")]


class Model(BaseModel):
    """A value of the API: camelCase on the wire, unknown fields kept, never changed in place."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="allow",
        frozen=True,
        # A program uses a few of the kinds: the others' validators would be a quarter of what the import costs.
        defer_build=True,
    )

    def wire(self) -> JsonObject:
        """The JSON object as it goes to the API: no nulls, no fields that nobody set to a non-default."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def but(self, **changes: object) -> Self:
        """A copy with some fields (Python names) replaced."""
        return self.model_copy(update=changes)


class OwnerReference(Model):
    """metav1.OwnerReference."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(Model):
    """metav1.ObjectMeta, the fields this product reads."""

    name: str = ""
    generate_name: str | None = None
    namespace: str | None = None
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    finalizers: list[str] | None = None
    owner_references: list[OwnerReference] | None = None


class Condition(Model):
    """One condition; `lastTransitionTime` moves only when `status` does (Kubernetes API conventions)."""

    type: str
    status: Literal["True", "False", "Unknown"]
    last_transition_time: Time | None = None
    reason: str | None = None
    message: str | None = None


class Resource(Model):
    """An API object of any kind."""

    api_version: str = ""
    kind: str = ""
    metadata: ObjectMeta = ObjectMeta()

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, name); the namespace of a cluster-scoped object is empty."""
        return (self.metadata.namespace or "", self.metadata.name)


def condition(conditions: list[Condition] | None, kind: str) -> Condition | None:
    """The condition of that type, if it is there."""
    return next((c for c in conditions or [] if c.type == kind), None)


def with_condition(conditions: list[Condition] | None, new: Condition, now: datetime) -> list[Condition]:
    """The list with `new` in the place of its type; the transition time moves only when the status does."""
    old = condition(conditions, new.type)
    moment = old.last_transition_time if old is not None and old.status == new.status else now
    stamped = new.but(last_transition_time=moment or now)
    kept = [c for c in conditions or [] if c.type != new.type]
    if old is None or conditions is None:
        return [*kept, stamped]
    return [stamped if c.type == new.type else c for c in conditions]
