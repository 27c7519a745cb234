"""How long ago is that, in few letters? The same words as kubectl's AGE column."""

from datetime import UTC, datetime

from pydantic import JsonValue


def age(timestamp: JsonValue, now: datetime) -> str:
    """`5m`, `3d4h`, or `<unknown>`."""
    moment = parsed(timestamp)
    return "<unknown>" if moment is None else short_duration(int((now - moment).total_seconds()))


def parsed(timestamp: JsonValue) -> datetime | None:
    """The moment of an RFC 3339 text."""
    if not isinstance(timestamp, str) or not timestamp:
        return None
    try:
        moment = datetime.fromisoformat(timestamp.replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def short_duration(seconds: int) -> str:
    """At most two units, the second one only while the first is small."""
    if seconds < -1:
        return "<invalid>"
    if seconds < 120:
        return f"{max(seconds, 0)}s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    years = days // 365
    return _two(years, "y", days % 365, "d") if years < 8 else f"{years}y"


def _two(first: int, first_unit: str, second: int, second_unit: str) -> str:
    return f"{first}{first_unit}{second}{second_unit}" if second else f"{first}{first_unit}"
