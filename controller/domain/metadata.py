"""Whose domain is it? Our element in the domain's metadata, written and read."""

from xml.etree.ElementTree import Element, fromstring, tostring

from controller.domain.elements import element
from controller.hypervisor.port import Owner, Power

NAMESPACE = "https://hypersdk.io/v1alpha1"
PREFIX = "hypersdk"
_TAG = "vm"


def owner_element(owner: Owner) -> Element:
    """The element as it stands in a domain's XML, in our namespace."""
    marked = _bare(owner)
    marked.tag = f"{PREFIX}:{_TAG}"
    marked.set(f"xmlns:{PREFIX}", NAMESPACE)
    return marked


def owner_fragment(owner: Owner) -> str:
    """The element as virDomainSetMetadata takes it, which adds the namespace itself."""
    return tostring(_bare(owner), encoding="unicode")


def read_owner(metadata: Element | None, uuid: str) -> Owner | None:
    """Whose domain it is; None for a foreign one, a copy of ours under another UUID included."""
    mark = metadata.find(f"{{{NAMESPACE}}}{_TAG}") if metadata is not None else None
    if mark is None or mark.get("uid", "").lower() != uuid.lower():
        return None
    return _owner(mark)


def read_fragment(text: str, uuid: str) -> Owner | None:
    """Whose domain it is, from the element as virDomainGetMetadata gives it, without its namespace."""
    mark = fromstring(text)
    is_ours = mark.tag.rpartition("}")[2] == _TAG and mark.get("uid", "").lower() == uuid.lower()
    return _owner(mark) if is_ours else None


def _bare(owner: Owner) -> Element:
    return element(
        _TAG,
        uid=owner.uid,
        namespace=owner.namespace,
        name=owner.name,
        power=owner.power.value,
        specHash=owner.spec_hash,
    )


def _owner(mark: Element) -> Owner:
    return Owner(
        uid=mark.get("uid", ""),
        namespace=mark.get("namespace", ""),
        name=mark.get("name", ""),
        power=_power(mark.get("power", "")),
        spec_hash=mark.get("specHash", ""),
    )


def _power(word: str) -> Power:
    try:
        return Power(word)
    except ValueError:
        # A word of another version: of all, this one neither starts nor stops a guest.
        return Power.GUEST_OFF
