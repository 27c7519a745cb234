"""What is a cron schedule? Five fields of lists, ranges, steps and names (crontab(5)), or a word such as `@daily`."""

from typing import Final

_STEP: Final = "(/0*[1-9][0-9]*)?"
_MONTHS: Final = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_DAYS: Final = "sun|mon|tue|wed|thu|fri|sat"
_WORDS: Final = "yearly|annually|monthly|weekly|daily|midnight|hourly"


def _field(value: str) -> str:
    """A list of values, ranges and stars, each with a step if wanted."""
    item = rf"(\*|({value})(-({value}))?){_STEP}"
    return f"{item}(,{item})*"


_FIELDS: Final = " +".join(
    (
        _field("[0-5]?[0-9]"),
        _field("[01]?[0-9]|2[0-3]"),
        _field("0?[1-9]|[12][0-9]|3[01]"),
        _field(f"0?[1-9]|1[0-2]|{_MONTHS}"),
        _field(f"0?[0-7]|{_DAYS}"),
    )
)
CRON_PATTERN: Final = rf"(?i)^({_FIELDS}|@({_WORDS}))$"
