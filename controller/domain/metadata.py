"""Whose domain is it? Our element in the domain's metadata, written and read."""

from xml.etree.ElementTree import Element, tostring

from controller.hypervisor.port import Owner, Power

NAMESPACE = "https://hypersdk.io/v1alpha1"
PREFIX = "hypersdk"
_TAG = "vm"


def owner_element(owner: Owner) -> Element:
    """The element as it stands in a domain's XML, in our namespace."""
    element = _bare(owner)
    element.tag = f"{PREFIX}:{_TAG}"
    element.set(f"xmlns:{PREFIX}", NAMESPACE)
    return element


def owner_fragment(owner: Owner) -> str:
    """The element as virDomainSetMetadata takes it, which adds the namespace itself."""
    return tostring(_bare(owner), encoding="unicode")


def read_owner(metadata: Element | None, uuid: str) -> Owner | None:
    """Whose domain it is; None for a foreign one, a copy of ours under another UUID included."""
    element = metadata.find(f"{{{NAMESPACE}}}{_TAG}") if metadata is not None else None
    if element is None or element.get("uid", "").lower() != uuid.lower():
        return None
    return _owner(element)


def _bare(owner: Owner) -> Element:
    attributes = {
        "uid": owner.uid,
        "namespace": owner.namespace,
        "name": owner.name,
        "power": owner.power.value,
        "specHash": owner.spec_hash,
    }
    return Element(_TAG, attributes)


def _owner(element: Element) -> Owner:
    return Owner(
        uid=element.get("uid", ""),
        namespace=element.get("namespace", ""),
        name=element.get("name", ""),
        power=_power(element.get("power", "")),
        spec_hash=element.get("specHash", ""),
    )


def _power(word: str) -> Power:
    try:
        return Power(word)
    except ValueError:
        # A word of another version: of all, this one neither starts nor stops a guest.
        return Power.GUEST_OFF
