"""Days as numbers and as text: a day number is days since 1970-01-01, UTC."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

EPOCH = date(1970, 1, 1)
FIRST, LAST = date(2000, 1, 1), date(2200, 1, 1)  # that are asked about; rows go up to a day


def day_number(day: date) -> int:
    """Return the number of a day."""
    return (day - EPOCH).days


def day_of(number: int) -> date:
    """Return the day of a number."""
    return EPOCH + timedelta(days=number)


def day_text(number: int) -> str:
    """Return a day number as ISO text, `2026-11-23`."""
    return day_of(number).isoformat()


def week_number(day: int) -> int:
    """Return the number of a day's ISO week, counted from the one of 1970-01-01, a Thursday."""
    return (day + 3) // 7


def week_text(week: int) -> str:
    """Return a week number as ISO text, `2026-W47`."""
    year, number, _ = (EPOCH + timedelta(days=week * 7)).isocalendar()
    return f"{year}-W{number:02}"


def instant_text(ms: int) -> str:
    """Return ms UTC as ISO text, `2026-11-23T14:05:09.120Z`."""
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
