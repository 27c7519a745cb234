"""How is a piece of domain XML written? One element with attributes, text and children, safe for any text."""

import re
from xml.etree.ElementTree import Element

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


PLUGGED = "ua-hypersdk-"
"""How the alias of a device begins that the controller has plugged into a running domain. libvirt wants the `ua-`."""


def element(tag: str, *children: Element | None, text: str = "", **attributes: str | int) -> Element:
    """An element; attributes and children that are empty or None are left out, `type_` stands for `type`."""
    made = Element(tag, {key.rstrip("_"): plain(str(value)) for key, value in attributes.items() if value != ""})
    if text:
        made.text = plain(text)
    made.extend(child for child in children if child is not None)
    return made


def plain(text: str) -> str:
    """The text without the characters that no XML document may hold, escaped or not."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
