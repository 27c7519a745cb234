"""What does a JSON patch (RFC 6902) make of a document?"""

from typing import cast

import jsonpatch
import jsonpointer
from pydantic import JsonValue

from apiserver.refusal import Refusal, bad_request
from apiserver.schema.validation import go_kind
from hypersdk.model.base import JsonObject

_MAX_OPERATIONS = 10_000
_MAX_SIZE = 3 * 2**20


def json_patch(target: JsonObject, operations: JsonValue) -> JsonValue:
    """The patched document."""
    if not isinstance(operations, list):
        raise _not_decoded(operations, "[]handlers.jsonPatchOp")
    if len(operations) > _MAX_OPERATIONS:
        message = f"The allowed maximum operations in a JSON patch is {_MAX_OPERATIONS}, got {len(operations)}"
        raise Refusal(413, "RequestEntityTooLarge", message)
    for operation in operations:
        if not isinstance(operation, dict):
            raise _not_decoded(operation, "handlers.jsonPatchOp")
    try:
        return cast("JsonValue", jsonpatch.apply_patch(target, cast("list[JsonObject]", operations)))
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, KeyError) as error:
        raise Refusal(422, "Invalid", "the server rejected our request due to an error in our request", {}) from error


def _not_decoded(value: JsonValue, wanted: str) -> Refusal:
    return bad_request(f"error decoding patch: json: cannot unmarshal {go_kind(value)} into Go value of type {wanted}")
