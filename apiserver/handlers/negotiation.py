"""In which form does the client want its answer? JSON, YAML, a Table, or metadata only."""

from dataclasses import dataclass
from typing import Literal

from apiserver.refusal import not_acceptable

Form = Literal["object", "table", "partial", "partial-list"]
MEDIA_TYPES = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
_FORMS: dict[str, Form] = {
    "Table": "table",
    "PartialObjectMetadata": "partial",
    "PartialObjectMetadataList": "partial-list",
}


@dataclass(frozen=True)
class Wanted:
    """The form of an answer and its encoding."""

    form: Form = "object"
    yaml: bool = False
    version: str = "v1"

    @property
    def media_type(self) -> str:
        """The Content-Type of the answer."""
        return "application/yaml" if self.yaml else "application/json"


def negotiate(accept: str) -> Wanted:
    """The first form in the Accept header that this server can make; 406 when there is none."""
    if not accept.strip():
        return Wanted()
    for clause in accept.split(","):
        media, *parameters = [part.strip() for part in clause.split(";")]
        wanted = _wanted(media, dict(part.split("=", 1) for part in parameters if "=" in part))
        if wanted is not None:
            return wanted
    raise not_acceptable(MEDIA_TYPES)


def _wanted(media: str, parameters: dict[str, str]) -> Wanted | None:
    if media not in {"application/json", "application/yaml", "*/*", "application/*"}:
        return None
    is_yaml = media == "application/yaml"
    converted = parameters.get("as")
    if converted is None:
        return Wanted(yaml=is_yaml)
    version = parameters.get("v", "v1")
    if converted not in _FORMS or parameters.get("g") != "meta.k8s.io" or version not in {"v1", "v1beta1"}:
        return None
    return Wanted(_FORMS[converted], is_yaml, version)
