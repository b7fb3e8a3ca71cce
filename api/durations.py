"""How long ago, as kubectl tells it. Source: `apimachinery/pkg/util/duration` (HumanDuration)."""

from datetime import UTC, datetime

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_YEAR = 365 * _DAY

_SCALES: tuple[tuple[int, str, int, str, int], ...] = (
    (2 * _MINUTE, "s", 1, "", 0),
    (10 * _MINUTE, "m", _MINUTE, "s", 1),
    (3 * _HOUR, "m", _MINUTE, "", 0),
    (8 * _HOUR, "h", _HOUR, "m", _MINUTE),
    (2 * _DAY, "h", _HOUR, "", 0),
    (8 * _DAY, "d", _DAY, "h", _HOUR),
    (2 * _YEAR, "d", _DAY, "", 0),
    (8 * _YEAR, "y", _YEAR, "d", _DAY),
)
"""Below so many seconds: the unit and its seconds, the smaller unit and its seconds if there is one."""


def duration(seconds: float) -> str:
    """Return a duration in at most two units: `45s`, `5m20s`, `90m`, `3h5m`, `36h`, `4d3h`, `200d`, `3y15d`, `9y`."""
    if seconds <= -2:  # noqa: PLR2004 - two seconds into the future is a clock that runs ahead, more is a mistake
        return "<invalid>"
    whole = max(0, int(seconds))
    for below, unit, size, small, part in _SCALES:
        if whole < below:
            rest = whole % size // part if part else 0
            return f"{whole // size}{unit}{rest}{small}" if rest else f"{whole // size}{unit}"
    return f"{whole // _YEAR}y"


def age(timestamp: object, now: datetime) -> str:
    """Return how long ago an RFC 3339 timestamp was; `<unknown>` for what is none."""
    if not isinstance(timestamp, str) or not timestamp:
        return "<unknown>"
    try:
        moment = datetime.fromisoformat(timestamp)
    except ValueError:
        return "<unknown>"
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return duration((now - moment).total_seconds())
