"""Can cloud-init read what a VM gives it? Asked before the boot, where a person still sees the answer. Pure.

Only what is certainly broken is refused. The seed has other readers than cloud-init, and cloud-init knows more
formats than this: scripts, MIME parts, jinja templates, packed data. All of those are passed on as they are.
"""

import re
from dataclasses import dataclass, field

import yaml

from hypersdk.errors import Terminal

MOST_BYTES = 1 << 20
"""Of each file; a Secret cannot be larger either."""
MOST_CHECKED_BYTES = 64 << 10
"""A longer text is passed on unread: reading it would cost every pass over the VM seconds."""
_HEADER = "#cloud-config"
_OTHER_FORMATS = ("#cloud-config-archive", "#cloud-config-jsonp")
_NEARLY = re.compile(r"#?\s*cloud[\s_-]?config(\s|$)", re.IGNORECASE)
_NETWORK_KEYS = {"version", "network", "config"}
_DEEPEST = 100
"""More levels than any configuration has. PyYAML itself ends the whole process with what is nested much deeper."""
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NOWHERE = "it begins with {line!r}, which cloud-init passes over: the first line must be #cloud-config"


def check_user_data(data: bytes) -> None:
    """Terminal InvalidCloudInit, with line and column, when the data means to be a cloud-config and is none."""
    _check_size("userData", data)
    text = data[:MOST_CHECKED_BYTES].decode(errors="replace").lstrip("\ufeff \t\r\n")
    first = text.partition("\n")[0].strip()
    if first.lower().startswith(_OTHER_FORMATS):
        return
    if first.lower().startswith(_HEADER):
        _check_yaml("userData", data)
    elif _NEARLY.match(first):
        raise _invalid("userData", _NOWHERE.format(line=first[:40]))


def check_network_data(data: bytes) -> None:
    """Terminal when the data is no network configuration."""
    _check_size("networkData", data)
    keys = _check_yaml("networkData", data)
    if keys is not None and not keys & _NETWORK_KEYS:
        raise _invalid("networkData", "it has no key 'version': write 'version: 2' and the ethernets below it")


def _check_size(what: str, data: bytes) -> None:
    if len(data) > MOST_BYTES:
        raise _invalid(what, f"{len(data)} bytes are more than the {MOST_BYTES} that a seed takes")


def _check_yaml(what: str, data: bytes) -> set[str] | None:
    """The keys of the mapping that it is; None when it is too long to be read here."""
    if len(data) > MOST_CHECKED_BYTES:
        return None
    try:
        return _read(data.decode()).keys
    except UnicodeDecodeError as error:
        raise _invalid(what, f"byte {error.start + 1} is not UTF-8") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        words = " ".join(part for part in (error.problem, error.context) if part)
        raise _invalid(what, f"{where}{words}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise _invalid(what, str(error).splitlines()[0]) from error


def _invalid(what: str, why: str) -> Terminal:
    return Terminal("InvalidCloudInit", f"cloud-init cannot read this {what}: {why}")


def _read(text: str) -> "_Reading":
    reading = _Reading()
    for event in yaml.parse(text, Loader=_LOADER):
        reading.take(event)
    return reading


@dataclass
class _Reading:
    """Takes YAML event by event and builds nothing, so that no nesting and no alias can make it large."""

    keys: set[str] = field(default_factory=set)
    """Of the outermost mapping."""
    _anchors: set[str] = field(default_factory=set)
    _depth: int = 0
    _documents: int = 0
    _is_key: bool = False

    def take(self, event: yaml.Event) -> None:
        """Follow one event; ValueError for what cloud-init would stumble over."""
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            self._refuse_if(self._documents > 1, event, "a second document begins here")
        elif isinstance(event, yaml.NodeEvent):
            self._node(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._depth -= 1

    def _node(self, event: yaml.NodeEvent) -> None:
        if isinstance(event, yaml.AliasEvent):
            self._refuse_if(event.anchor not in self._anchors, event, f"alias {event.anchor!r} stands for nothing")
        elif event.anchor is not None:
            self._anchors.add(event.anchor)
        if self._depth == 0:
            is_nothing = isinstance(event, yaml.ScalarEvent) and not event.value
            is_mapping = isinstance(event, yaml.MappingStartEvent)
            self._refuse_if(not (is_nothing or is_mapping), event, "this is no mapping of 'key: value'")
        elif self._depth == 1:
            self._is_key = not self._is_key
            if self._is_key and isinstance(event, yaml.ScalarEvent):
                self.keys.add(event.value)
        if isinstance(event, yaml.CollectionStartEvent):
            self._depth += 1
            self._refuse_if(self._depth > _DEEPEST, event, "this is nested too deep")

    def _refuse_if(self, is_wrong: bool, event: yaml.Event, why: str) -> None:
        if is_wrong:
            mark = event.start_mark
            raise ValueError(f"line {mark.line + 1}, column {mark.column + 1}: {why}" if mark else why)
