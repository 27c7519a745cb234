"""The kinds of Kubernetes itself that this product reads or writes."""

from datetime import datetime

from pydantic import Field

from hypersdk.model.base import MicroTime, Model, Resource, Time


class ObjectReference(Model):
    """v1.ObjectReference."""

    api_version: str | None = None
    kind: str | None = None
    name: str | None = None
    namespace: str | None = None
    uid: str | None = None
    resource_version: str | None = None


class EventSource(Model):
    """v1.EventSource."""

    component: str | None = None
    host: str | None = None


class Event(Resource):
    """v1.Event: something that happened to an object, repeats counted."""

    involved_object: ObjectReference = ObjectReference()
    reason: str | None = None
    message: str | None = None
    type: str | None = None
    """`Normal` or `Warning`."""
    count: int | None = None
    first_timestamp: Time | None = None
    last_timestamp: Time | None = None
    event_time: MicroTime | None = None
    source: EventSource | None = None
    reporting_component: str | None = None
    reporting_instance: str | None = None

    @property
    def seen_at(self) -> datetime | None:
        """When it happened last."""
        return self.last_timestamp or self.event_time or self.metadata.creation_timestamp


class Secret(Resource):
    """v1.Secret; values are base64."""

    data: dict[str, str] | None = None
    string_data: dict[str, str] | None = None
    type: str | None = None


class Namespace(Resource):
    """v1.Namespace."""


class LeaseSpec(Model):
    """coordination.k8s.io/v1 LeaseSpec."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: MicroTime | None = None
    renew_time: MicroTime | None = None
    lease_transitions: int | None = None


class Lease(Resource):
    """coordination.k8s.io/v1 Lease."""

    spec: LeaseSpec = LeaseSpec()


class NetworkAttachmentSpec(Model):
    """The CNI configuration of a network, as JSON text."""

    config: str = ""


class NetworkAttachmentDefinition(Resource):
    """k8s.cni.cncf.io/v1 NetworkAttachmentDefinition, which Multus brings."""

    spec: NetworkAttachmentSpec = NetworkAttachmentSpec()


class ResourceAttributes(Model):
    """What an access check asks about (authorization.k8s.io/v1)."""

    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    verb: str = ""


class AccessReviewSpec(Model):
    """authorization.k8s.io/v1 SubjectAccessReviewSpec."""

    user: str = ""
    groups: list[str] = Field(default_factory=list)
    resource_attributes: ResourceAttributes = ResourceAttributes()


class AccessReviewStatus(Model):
    """The verdict."""

    allowed: bool = False
    reason: str | None = None


class SubjectAccessReview(Resource):
    """authorization.k8s.io/v1 SubjectAccessReview."""

    spec: AccessReviewSpec = AccessReviewSpec()
    status: AccessReviewStatus = AccessReviewStatus()
