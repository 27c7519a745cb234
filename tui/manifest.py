"""An object as the YAML that kubectl would show, without what only machines read."""

from hypersdk.model.base import Resource
from hypersdk.plaintext import plain_lines
from tui.tone import Line, Span, Tone, line


def manifest(item: Resource) -> list[Line]:
    """The lines, keys told from values."""
    import yaml

    wire = item.wire()
    metadata = wire.get("metadata")
    if isinstance(metadata, dict):
        metadata.pop("managedFields", None)
    text = yaml.safe_dump(wire, sort_keys=False, allow_unicode=True, width=200)
    return [_coloured(one) for one in plain_lines(text)]


def _coloured(text: str) -> Line:
    name, colon, value = text.partition(":")
    if not colon or not name.strip(" -").replace(".", "").replace("/", "").replace("-", "").isalnum():
        return line(text)
    return line(Span(name + colon, Tone.DIM), value)
