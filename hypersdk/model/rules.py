"""How is a rule that crosses fields said in a model? As CEL, which the API server checks (x-kubernetes-validations).

Kubernetes: "Validation rules" of CustomResourceDefinitions.
"""

from dataclasses import dataclass
from typing import Literal, cast

from pydantic import JsonValue
from pydantic.config import JsonDict

KEYWORD = "x-kubernetes-validations"


@dataclass(frozen=True)
class Rule:
    """What has to be true of `self` (and of `oldSelf`, in an update); `message` says what to write instead."""

    cel: str
    message: str
    field: str = ""
    """The path, from where the rule stands, of the field to blame."""
    reason: Literal["", "FieldValueRequired"] = ""

    def wire(self) -> dict[str, JsonValue]:
        """One member of x-kubernetes-validations."""
        parts = {"rule": self.cel, "message": self.message, "reason": self.reason, "fieldPath": self.field}
        return {name: value for name, value in parts.items() if value}


def rules(*checked: Rule, **bounds: int) -> JsonDict:
    """Extra keywords of a schema: rules, and bounds (`maxItems=32`) that keep their cost known."""
    return cast("JsonDict", {**bounds, KEYWORD: [rule.wire() for rule in checked]})


def written(pattern: str, message: str) -> Rule:
    """The string has that form; the message says it in words, beside the `pattern` that a person cannot read."""
    return Rule(f"self.matches(r'{pattern}')", message)


def one_at_most(*names: str) -> Rule:
    """Of those fields only one is set."""
    given = ", ".join(f"has(self.{name})" for name in names)
    return Rule(f"[{given}].filter(given, given).size() <= 1", f"write only one of {', '.join(names)}")


def your_own_name(noun: str) -> Rule:
    """No two members of the list have the same name."""
    cel = "self.all(one, self.exists_one(other, other.name == one.name))"
    return Rule(cel, f"write another name: each {noun} needs one of its own")


def unchanging(noun: str) -> Rule:
    """The field stays as it was created."""
    return Rule("self == oldSelf", f"cannot change: leave it as it is, and make a new {noun} instead")
