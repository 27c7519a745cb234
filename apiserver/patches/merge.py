"""What does a JSON merge patch (RFC 7386) make of a document?"""

from pydantic import JsonValue


def merge_patch(target: JsonValue, patch: JsonValue) -> JsonValue:
    """The patched document; nulls remove, those of objects inside lists as well (as in Kubernetes)."""
    if isinstance(patch, list):
        return [merge_patch(None, member) if isinstance(member, dict | list) else member for member in patch]
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged
