"""Which names, labels and annotations are allowed? Worded as in Kubernetes' validation package."""

import re

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_QUALIFIED})?"

_SUBDOMAIN_WORDS = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    f"'{_SUBDOMAIN}')"
)
_LABEL_WORDS = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    f"with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
_NAME_WORDS = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    f"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_QUALIFIED}')"
)
_VALUE_WORDS = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    f"'{_VALUE}')"
)


def subdomain_problems(name: str) -> list[str]:
    """What is wrong with the name of most objects."""
    problems = ["must be no more than 253 characters"] if len(name) > 253 else []
    return problems if re.fullmatch(_SUBDOMAIN, name) else [*problems, _SUBDOMAIN_WORDS]


def label_problems(name: str) -> list[str]:
    """What is wrong with the name of a namespace."""
    if "." in name:
        return ["must not contain dots"]
    problems = ["must be no more than 63 characters"] if len(name) > 63 else []
    return problems if re.fullmatch(_LABEL, name) else [*problems, _LABEL_WORDS]


def qualified_problems(name: str) -> list[str]:
    """What is wrong with the key of a label or annotation, or with a finalizer."""
    prefix, slash, base = name.rpartition("/")
    if prefix.count("/"):
        words = _NAME_WORDS.replace("must consist", "a valid label key must consist", 1)
        return [f"{words} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    problems: list[str] = []
    if slash and not prefix:
        problems.append("prefix part must be non-empty")
    elif slash:
        problems.extend(f"prefix part {problem}" for problem in subdomain_problems(prefix))
    if not base:
        problems.append("name part must be non-empty")
    elif len(base) > 63:
        problems.append("name part must be no more than 63 bytes")
    if not re.fullmatch(_QUALIFIED, base):
        problems.append(f"name part {_NAME_WORDS}")
    return problems


def label_value_problems(value: str) -> list[str]:
    """What is wrong with the value of a label."""
    problems = ["must be no more than 63 bytes"] if len(value) > 63 else []
    return problems if re.fullmatch(_VALUE, value) else [*problems, _VALUE_WORDS]


def path_segment_problems(name: str) -> list[str]:
    """What is wrong with a name that only has to fit into a URL path."""
    if name in {".", ".."}:
        return [f"may not be '{name}'"]
    return [f"may not contain '{char}'" for char in ("/", "%") if char in name]
