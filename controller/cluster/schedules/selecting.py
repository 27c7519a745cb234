"""Which VMs does a schedule cover? metav1.LabelSelector's rules. Pure."""

from collections.abc import Mapping

from hypersdk.errors import Terminal
from hypersdk.model.backupschedule import VMSelector
from hypersdk.model.base import JsonObject


def matches(selector: VMSelector, labels: Mapping[str, str]) -> bool:
    """Whether the labels are selected; an empty selector selects all. Terminal for one that makes no sense."""
    wanted = selector.match_labels or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_holds(expression, labels) for expression in selector.match_expressions or [])


def _holds(expression: JsonObject, labels: Mapping[str, str]) -> bool:
    key, operator, values = expression.get("key"), expression.get("operator"), expression.get("values")
    if not isinstance(key, str):
        raise _invalid(expression)
    match operator:
        case "In" if isinstance(values, list):
            return labels.get(key) in values
        case "NotIn" if isinstance(values, list):
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    raise _invalid(expression)


def _invalid(expression: JsonObject) -> Terminal:
    words = f"matchExpressions: {expression} is none: key, operator In, NotIn, Exists or DoesNotExist, and values"
    return Terminal("InvalidSelector", words)
