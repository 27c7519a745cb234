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
    result: JsonValue = target
    try:
        for operation in cast("list[JsonObject]", operations):
            if not _holds_already(result, operation):
                result = cast("JsonValue", jsonpatch.apply_patch(result, [_lenient(result, operation)]))
        return result
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, KeyError) as error:
        raise Refusal(422, "Invalid", "the server rejected our request due to an error in our request", {}) from error


def _lenient(target: JsonValue, operation: JsonObject) -> JsonObject:
    """As Kubernetes takes it: what is replaced or copied need not be there, if the object around it is."""
    if operation.get("op") == "replace" and "value" in operation and _is_missing(target, operation.get("path")):
        return operation | {"op": "add"}
    if operation.get("op") == "copy" and _is_missing(target, operation.get("from")):
        return {"op": "add", "path": operation.get("path"), "value": None}
    return operation


def _holds_already(target: JsonValue, operation: JsonObject) -> bool:
    """Whether it tests for null where nothing is."""
    is_for_null = operation.get("op") == "test" and operation.get("value", ...) is None
    return is_for_null and _is_missing(target, operation.get("path"))


def _is_missing(target: JsonValue, path: JsonValue) -> bool:
    if not isinstance(path, str):
        return False
    around, last = jsonpointer.JsonPointer(path).to_last(target)
    return isinstance(around, dict) and last not in around


def _not_decoded(value: JsonValue, wanted: str) -> Refusal:
    return bad_request(f"error decoding patch: json: cannot unmarshal {go_kind(value)} into Go value of type {wanted}")
