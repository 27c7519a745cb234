"""The merge patch that makes one JSON object out of another (RFC 7386): pure."""

from hypersdk.model.base import JsonObject


def merge_patch(old: JsonObject, new: JsonObject) -> JsonObject:
    """Empty when nothing differs; what is gone becomes null, lists are replaced whole."""
    patch: JsonObject = dict.fromkeys(old.keys() - new.keys())
    for name, value in new.items():
        before = old.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            if deeper := merge_patch(before, value):
                patch[name] = deeper
        elif before != value:
            patch[name] = value
    return patch
