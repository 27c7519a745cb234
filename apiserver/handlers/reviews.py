"""POST on the reviews of authorization.k8s.io and authentication.k8s.io: may somebody do that, and who am I?"""

from aiohttp import web
from pydantic import JsonValue

from apiserver.access import is_allowed
from apiserver.document import child, encode, items, text
from apiserver.handlers import admission
from apiserver.handlers.answers import object_answer
from apiserver.handlers.call import Call, write_options
from apiserver.refusal import FieldError, Named, bad_request, invalid
from hypersdk.model.base import JsonObject, rfc3339

_RULES: JsonObject = {
    "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    "incomplete": False,
}


async def review(call: Call) -> web.Response:
    """Answer the review in the body; nothing is stored."""
    options = write_options(call, "CreateOptions")
    sent = await admission.read_object(call)
    problem = admission.settle_fields(call, sent.obj, sent.duplicates, options.validation)
    admission.refuse_strictly(call.resource, problem)
    obj = sent.obj
    obj["metadata"] = child(obj, "metadata")
    match call.resource.kind:
        case "SelfSubjectReview":
            obj["metadata"] = {"creationTimestamp": rfc3339(call.api.now())}
            groups: list[JsonValue] = list(call.user.groups)
            obj["status"] = {"userInfo": {"username": call.user.name, "groups": groups}}
        case "SelfSubjectRulesReview":
            if not text(child(obj, "spec"), "namespace"):
                raise bad_request("no namespace on request")
            obj["spec"] = {}
            obj["status"] = _RULES
        case "SelfSubjectAccessReview":
            _check(obj, names_subject=False)
            obj["status"] = {"allowed": is_allowed(call.user.name, list(call.user.groups))}
        case _:
            _check(obj, names_subject=True)
            spec = child(obj, "spec")
            groups_asked = [one for one in items(spec, "groups") if isinstance(one, str)]
            obj["status"] = {"allowed": is_allowed(text(spec, "user"), groups_asked)}
    return await object_answer(call, encode(obj), 201)


def _check(obj: JsonObject, *, names_subject: bool) -> None:
    spec = child(obj, "spec")
    errors: list[FieldError] = []
    if ("resourceAttributes" in spec) == ("nonResourceAttributes" in spec):
        words = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        errors.append(FieldError("FieldValueInvalid", "spec", f"Invalid value: null: {words}"))
    if names_subject and not text(spec, "user") and not items(spec, "groups"):
        words = "at least one of user or group must be specified"
        errors.append(FieldError("FieldValueInvalid", "spec.user", f'Invalid value: "": {words}'))
    if errors:
        raise invalid(Named("authorization.k8s.io", ""), errors)
